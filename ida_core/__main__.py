"""``python -m ida_core`` is ``ida``, where its script is not on the path."""

from ida_core.cli import main

main()
