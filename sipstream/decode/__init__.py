"""From packets to datagrams, sans-IO: link layer, IP, UDP, TCP streams, SCTP, WebSocket."""
