# make check = what CI does on an environment that is already installed
.PHONY: install check lint test docs fuzz mutants
install:
	pip install -e '.[dev]'
lint:
	ruff check && ruff format --check && mypy --strict nascli
test:
	pytest && pytest -m slow
check: lint test
# the site of docs/ in build/site; a broken link or anchor ends it (pip install -e '.[docs]')
docs:
	zensical build --strict --clean
# 10,000 damaged files of each kind, which takes hours; the suite tries a few hundred
fuzz:
	for kind in images arrays splits history state config environment report card genotype table known \
	    answers latency own list; do \
	  PYTHONPATH=tests python tests/fuzz/fuzz.py $$kind=10000 || exit 1; done
# 110 random breaks of strategies, gradient methods, estimators and statistics, each against the tests of
# its module (hours; goes on where it was ended); nine of ten have to be noticed, the rest explained
mutants:
	PYTHONPATH=. python tests/mutants/mutants.py
# the kernels' tests over a library that looks at every access and every sum (gcc; Python itself leaks)
SANITIZED = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize:
	NASCLI_CFLAGS="$(SANITIZED)" ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  python -m pytest -n 0 tests/unit/kernels/native
