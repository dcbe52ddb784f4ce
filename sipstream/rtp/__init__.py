"""RTP and RTCP beside calls: streams, their loss, jitter and silence, DTMF, what receivers reported.

Asked for with `--rtp`. `streams.Streams` takes the datagrams that look like RTP or RTCP and keeps
running numbers, never packets; `endpoints` says which of them are a conversation's media. Only
headers are read: nothing is decoded to sound.
"""
