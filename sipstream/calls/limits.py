"""How much is joined at most, with the reason beside it; reaching one is told."""

MOST_SHARING = 48
"""Conversations that share an identifier at most, as a group of so many phones that ring together does;
what more have isn't of one call but of a network, or of a broken machine."""
FEW_SHARING = 8
"""The same of what is less sure: tags and branches of some devices are constant."""
MOST_LEGS = 64
"""Legs of a call at most: to tell why they are one takes some milliseconds."""
MOST_KEYS = 24
"""Keys of a conversation at most; a leg has half a dozen."""
MOST_SHARED = 2_000_000
"""Keys kept in all, each of some 75 bytes: as many as 400,000 conversations have."""
