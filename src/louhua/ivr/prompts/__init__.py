"""The prompts: A-law files by language, and the script they were made from."""

from pathlib import Path
from typing import Final

PROMPTS: Final = Path(__file__).parent
"""Where the prompts are."""
