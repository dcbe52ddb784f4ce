"""Values to text: what lists, overviews, messages, JSON and the bottom line look like.

Pure functions: no printing, no clock, no terminal, nothing of the shell. Text from traffic is
escaped here, before colours are put around it; only `colours.Paint` adds codes for the terminal.
"""
