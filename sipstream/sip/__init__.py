"""SIP (RFC 3261) on bytes, sans-IO: start lines, headers, URIs, framing of streams, messages."""
