"""Unattended capture: a ring of pcap files with a small index beside each, and questions to it.

`room` writes the files, `indexing` and `indexer` their indexes, `contents` is what an index says,
`asking` which conversations a filter may mean, `remote` brings those into a session.
"""
