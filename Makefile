# make check = what CI does on an environment that is already installed
.PHONY: install check lint test
install:
	pip install -e '.[dev]'
lint:
	ruff check && ruff format --check && mypy --strict nascli
test:
	pytest
check: lint test
