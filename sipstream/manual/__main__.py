"""`python -m sipstream.manual` writes man page and completion files anew."""

from sipstream.manual import write

if __name__ == "__main__":
    write()
