"""Published genotypes, and genotypes as files and strings."""

from nascli.genotypes.files import FILE, descriptions, dump, load, published, sizes

__all__ = ["FILE", "descriptions", "dump", "load", "published", "sizes"]
