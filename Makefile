# make demo: train on the embedded digits and write pictures.   make test: run the tests.   make docs: build the site.
# Each sets up .venv itself.
PYTHON ?= python3
DEMO_ITERS ?= 1500
PY = .venv/bin/python
READY = .venv/.ready

.PHONY: venv demo test lint docs benchmark clean

venv: $(READY)

$(READY): setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[demo,docs,test]"
	touch $@

demo: $(READY)
	$(PY) train.py digits --set MAXITER=$(DEMO_ITERS)
	$(PY) train.py digits1 --set MAXITER=$(DEMO_ITERS)
	$(PY) sample.py digits demo/samples.png
	$(PY) fixbn.py digits
	$(PY) interp.py digits demo/interpolation.png 1,2 3,4 5,6 7,8
	$(PY) tools/compare.py digits digits1 demo/rpgan_and_single.png
	@echo
	@echo "Pictures:    demo/samples.png demo/interpolation.png demo/rpgan_and_single.png"
	@echo "TensorBoard: .venv/bin/tensorboard --logdir models"

test: $(READY)
	$(PY) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

benchmark: $(READY)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[benchmarks]"
	$(PY) benchmarks/report.py --measure

clean:
	rm -rf .venv demo site
