"""The archive: SIP messages in Parquet files by hour and partition, that any engine reads.

Written from files (`files.py`) or from the bus (`drain.py`), a row a message (`rows.py`); read by DuckDB
when a filter asks (`remote.py`). pyarrow and duckdb are an extra: nothing outside imports this package
before it is asked for.
"""
