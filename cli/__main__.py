"""``python -m landremed_cli``."""

from landremed_cli.main import main

main()
