"""What can be wrong with JSON from a network, for those who must go on whatever it is."""

import msgspec

#: Nesting beyond Python's own bound on recursion is no error of msgspec's.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
