"""Published genotypes, and genotypes as files and strings."""

from nascli.genotypes.files import descriptions, dump, load, published

__all__ = ["descriptions", "dump", "load", "published"]
