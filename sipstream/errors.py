"""Errors meant for the user: each carries one sentence that says what was wrong and what to do."""


class SipstreamError(Exception):
    """Base of all errors whose text may be shown as it is."""


class SourceError(SipstreamError):
    """A file, stream or interface can't be read."""


class CaptureDeniedError(SourceError):
    """Opening an interface needs a permission we lack; the text has several lines."""


class FilterError(SipstreamError):
    """A filter's text can't be understood."""


class CommandError(SipstreamError):
    """A command's arguments are wrong, or what it names doesn't exist."""
