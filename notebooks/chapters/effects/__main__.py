"""`python -m chapters.effects`, from the folder notebooks: collect the numbers of the effects."""

from . import collect

print(collect())
