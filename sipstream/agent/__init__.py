"""sipstream without a shell: it captures on a SIP server and answers, over NATS, what shells ask of it.

The SIP server comes first (`courtesy.py`). What comes from the bus is one of four requests
(`asked.py`), and nothing else: no command, no file, no other subject.
"""
