"""What goes over NATS: names of subjects, connecting, coding of requests and answers.

nats-py is an extra: it is imported here alone, when a bus is asked for.
"""
