# Everything a contributor runs. Two commands need nothing but Python 3.11+ and make: make demo, make test.
# Each target builds the environment that it needs (tools/bootstrap.py); the first time takes a minute, then nothing.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# PYTHON=...     the interpreter that .venv is built with (default: the first suitable one, see tools/bootstrap.sh)
# INSTALLER=pip  build .venv with pip instead of uv
# ARGS=...       further arguments for pytest, such as ARGS='-k rules' or ARGS='--trap 13'
# ONCE=1         make demo ends by itself
INSTALLER ?= uv
BOOTSTRAP = PYTHON='$(PYTHON)' HEKSHER_INSTALLER='$(INSTALLER)' sh tools/bootstrap.sh
RUN := .venv/bin/python
SEED := $(shell date +%s)
# What --full makes a difference to, and the contract of storages.
FULL_TESTS = tests/unit/server/api tests/property tests/conformance/test_storage*.py \
	tests/integration/test_kill.py tests/integration/test_api_schemathesis.py
# What make types, make test-browser and make test-hostile run.
NOT_TESTED = --ignore=tests/typing --ignore=tests/browser --ignore=tests/hostile
PYTEST = $(RUN) -m pytest -n auto --dist worksteal

##@ Two commands to begin with

.PHONY: demo
demo: env-demo ## a service, an application, and a rule that changes what the application reads (ONCE=1: then end)
	@$(RUN) examples/demo.py $(if $(filter-out 0,$(ONCE)),--once)

# What type checkers say of programs is tested by make types, what browsers do by make test-browser, and what a service
# stands by make test-hostile.
.PHONY: test
test: env-test ## all tests (ARGS='-k rules' for some)
	$(PYTEST) $(NOT_TESTED) $(ARGS)

##@ What CI runs

.PHONY: check
check: static test-install test-storages test test-hostile test-browser test-published ## everything that CI runs: format, lint, types, imports, lock, docs, tests

.PHONY: static
static: lint types imports import-time lock-check docs ## all of check but the tests

.PHONY: test-storages
test-storages: env-test ## the API on every storage, and what is a matter of chance tried more often
	$(PYTEST) --full $(FULL_TESTS) $(ARGS)

.PHONY: test-install
test-install: dist ## install what make dist builds into empty environments, on each version of Python, and use it
	$(RUN) tools/try_install.py

.PHONY: test-published
test-published: env-test ## what tests/compatibility says of the published client 0.2.2, run on that one (in .published)
	PYTHONPATH=. $(RUN) -m tools.published $(ARGS)

.PHONY: test-hostile
test-hostile: env-test ## attacks on a service, its memory meanwhile, and careless restores, each once and short
	$(PYTEST) tests/hostile $(ARGS)

.PHONY: test-browser
test-browser: env-all ## in a real browser, which is installed if there is none: what web pages can do, and how people sign in
	PYTHONPATH=. $(RUN) -m tools.identity_providers
	browser="$$($(RUN) tools/browser.py)" && HEKSHER_TEST_BROWSER="$$browser" $(RUN) -m pytest tests/browser $(ARGS)

.PHONY: restore-drills
restore-drills: env-test ## 200 random sequences of writes, backups, kills, copies put in place and restores
	$(RUN) -m tests.hostile.restores $(ARGS)

# Another order, and so other neighbours, in each run; SEED=... repeats one.
.PHONY: test-random
test-random: env-test ## all tests in random order
	$(PYTEST) $(NOT_TESTED) --shuffle $(SEED) $(ARGS)

.PHONY: lint
lint: env-all ## format and lint, changing nothing
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check

.PHONY: types
types: env-all ## mypy --strict, and what mypy and pyright say of programs that use the library
	$(RUN) -m mypy
	$(PYTEST) -q tests/typing

.PHONY: imports
imports: env-all ## which module may import which (import-linter)
	.venv/bin/lint-imports

.PHONY: lock-check
lock-check: env-all ## whether uv.lock and requirements/ are what pyproject.toml asks for
	$(RUN) tools/lock.py check

.PHONY: docs
docs: env-all ## the documentation, in build/docs; warnings are errors
	$(RUN) -m sphinx -W --keep-going --quiet -b html docs build/docs

##@ Figures

.PHONY: traps
traps: env-test ## which faults of the existing software are shown to be absent, by number
	$(PYTEST) -q -m trap --trap-report $(ARGS)

.PHONY: coverage
coverage: env-test ## branch coverage of src/heksher, its subprocesses included; fails below the bound in pyproject.toml
	rm -f .coverage .coverage.*
	$(RUN) -m coverage run -m pytest -n auto $(NOT_TESTED) $(ARGS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report

.PHONY: test-pythons
test-pythons: env-test ## the client's tests on Python 3.11, 3.12 and 3.13; a version that is missing is named
	$(RUN) tools/pythons.py

.PHONY: canary
canary: env-demo ## the tests with the newest releases, whatever uv.lock and the upper bounds say (ARGS='tests/unit' for some)
	$(RUN) tools/canary.py -n auto --dist worksteal $(ARGS)

.PHONY: shape
shape: env-demo ## the shape of the source: folders, arrows between them, circles, lengths, names that occur twice
	@$(RUN) tools/shape.py $(ARGS)

.PHONY: alerts
alerts: env-test ## the alerts in deploy/, on recorded metrics of a healthy and a sick pair of replicas; needs promtool
	$(RUN) -m tests.alerts.check $(ARGS)

.PHONY: alerts-record
alerts-record: env-test ## record those metrics anew, in 25 minutes (ARGS=sick for one)
	$(RUN) -m tests.alerts.recording $(ARGS)

.PHONY: check-deploy
check-deploy: env-test ## the manifests against the schemas of Kubernetes, the Dockerfile with hadolint (in build/)
	PYTHONPATH=. $(RUN) -m tools.check_deploy

.PHONY: import-time
import-time: env-demo ## what import heksher costs in relation to import asyncio; fails above 1.4
	$(RUN) tools/import_time.py

##@ Benchmarks

# PYTHON chooses for which versions of Python this library is measured; it is not what .venv is built with here.
# QUICK=1             fewer and shorter samples
# PEERS=eppo,unleash  some of the other libraries, or none
BENCH := PYTHONPATH=. $(RUN) -m
BENCH_ENV = @test -x $(RUN) || PYTHON= HEKSHER_INSTALLER='$(INSTALLER)' sh tools/bootstrap.sh demo
BENCH_ARGS = $(if $(filter-out 0,$(QUICK)),--quick)

.PHONY: bench
bench: ## reading a setting, against other libraries (QUICK=1: under two minutes; PEERS=eppo,unleash; PYTHON=3.11,3.13)
	$(BENCH_ENV)
	$(BENCH) benchmarks.run $(BENCH_ARGS) $(if $(PEERS),--peers '$(PEERS)') $(if $(PYTHON),--python '$(PYTHON)') $(ARGS)

.PHONY: bench-updates
bench-updates: ## what updates cost, and what readers notice of them (QUICK=1)
	$(BENCH_ENV)
	$(BENCH) benchmarks.updates $(BENCH_ARGS) --json .benchmarks/updates.json $(ARGS)

.PHONY: bench-guard
bench-guard: ## instructions of one read in relation to an empty call; fails above the bounds in benchmarks/bounds.toml
	$(BENCH_ENV)
	$(BENCH) benchmarks.guard $(if $(PYTHON),--python '$(PYTHON)') $(ARGS)

.PHONY: bench-replicas
bench-replicas: env-test ## how soon one replica answers what another wrote, and that nobody goes back (ARGS='--help')
	$(BENCH) benchmarks.replicas $(ARGS)

.PHONY: bench-usage
bench-usage: env-test ## what it costs to count which clients ask for which settings; needs wrk and valgrind (QUICK=1, ARGS=--instructions)
	$(BENCH) benchmarks.usage $(BENCH_ARGS) $(ARGS)

.PHONY: bench-access
bench-access: env-test ## what access control costs, and how soon a revocation holds; needs wrk (QUICK=1)
	$(BENCH) benchmarks.access_control $(BENCH_ARGS) --json .benchmarks/access.json $(ARGS)

.PHONY: access-rollout
access-rollout: env-test ## twenty programs while access is switched on: no failed update, no token to be seen
	$(BENCH) benchmarks.access_rollout

.PHONY: bench-log
bench-log: env-test ## the change log with a million entries: bytes for each, milliseconds for a page (QUICK=1: a tenth)
	$(BENCH) benchmarks.log $(BENCH_ARGS) $(ARGS)

.PHONY: bench-history
bench-history: env-test ## 100,000 changes: bytes for each, a page, differences, the past, reverts, starts (QUICK=1: a tenth)
	$(BENCH) benchmarks.history $(BENCH_ARGS) $(ARGS)

.PHONY: bench-evaluate
bench-evaluate: env-test ## evaluation with 10,000 settings and 100,000 rules, rules without effect, consequences (QUICK=1: a tenth)
	$(BENCH) benchmarks.evaluation $(BENCH_ARGS) $(ARGS)

.PHONY: bench-first-start
bench-first-start: env-test ## eight replicas that are started at once on a database that is to be migrated
	$(BENCH) benchmarks.first_start

.PHONY: bench-import
bench-import: env-test ## an import of 10,000 settings and 100,000 rules from a simulated existing service (QUICK=1: a tenth)
	$(BENCH) benchmarks.import_from $(BENCH_ARGS) $(ARGS)

.PHONY: bench-bulk
bench-bulk: env-test ## 10,000 writes in one request, on SQLite and on PostgreSQL (QUICK=1: a tenth)
	$(BENCH) benchmarks.bulk $(BENCH_ARGS) $(ARGS)

# SOURCE=DIR measures another source tree, such as a worktree of an earlier commit.
.PHONY: bench-start
bench-start: env-test ## starts of many processes and settings, and what one bad setting does to updates (QUICK=1: a tenth)
	$(BENCH) benchmarks.start $(BENCH_ARGS) $(if $(SOURCE),--source '$(SOURCE)') $(ARGS)

.PHONY: bench-failover
bench-failover: env-test ## a standby of PostgreSQL takes over, 20 times in each of 9 ways (ARGS='--drills 5 --only synchronous')
	$(BENCH) benchmarks.failover $(ARGS)

.PHONY: proposals-drill
proposals-drill: env-test ## a thousand proposals with times, while one of two replicas is killed (ARGS='--proposals 100 --seconds 20')
	$(BENCH) benchmarks.proposals $(ARGS)

.PHONY: bench-start-postgres
bench-start-postgres: env-test ## a hundred processes that start on PostgreSQL, also 2 ms away, and without it (QUICK=1: ten)
	$(BENCH) benchmarks.start_postgres $(BENCH_ARGS) $(if $(SOURCE),--source '$(SOURCE)') $(ARGS)

.PHONY: bench-outage-db
bench-outage-db: env-test ## two replicas under load while PostgreSQL is stopped, then frozen (SECONDS=10; default 30)
	$(BENCH) benchmarks.database_outage $(if $(SECONDS),--seconds '$(SECONDS)') $(ARGS)

.PHONY: bench-locks
bench-locks: env-test ## how long answers take while a table of PostgreSQL is locked (SECONDS=5; SOURCE=DIR: another source tree)
	$(BENCH) benchmarks.locked_tables $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(SOURCE),--source '$(SOURCE)') $(ARGS)

.PHONY: bench-webhooks
bench-webhooks: env-test ## what webhooks cost those who write: none, a hundred (SECONDS=5; default 20)
	$(BENCH) benchmarks.webhook_cost $(if $(SECONDS),--seconds '$(SECONDS)') $(ARGS)

.PHONY: webhook-drill
webhook-drill: env-test ## webhooks whose receivers fail, hang, redirect, drip: all revisions arrive in order (ARGS='--help')
	$(BENCH) benchmarks.webhook_drill $(ARGS)

.PHONY: sick-states
sick-states: env-test ## what a service says while its database cannot be written to (SOURCE=DIR: another source tree)
	$(BENCH) benchmarks.sick_states $(if $(SOURCE),--source '$(SOURCE)') $(ARGS)

# SCALE=0.1 does a tenth of each attack; SOURCE=DIR attacks another source tree, for a comparison.
.PHONY: hostile
hostile: env-test ## attacks on the service's connections: memory, the longest answers meanwhile; fails above the bounds
	$(BENCH) tests.hostile.run $(if $(SCALE),--scale '$(SCALE)') $(if $(SOURCE),--source '$(SOURCE)') $(ARGS)

.PHONY: soak
soak: env-all ## both clients under random faults, for half an hour (MINUTES=2)
	$(RUN) -m tests.faults.soak $(if $(MINUTES),--minutes '$(MINUTES)') $(ARGS)

.PHONY: faults-table
faults-table: env-all ## each fault with both clients; writes the table in docs/explanation/faults.md
	$(RUN) -m tests.faults.table --write $(ARGS)

.PHONY: stream-table
stream-table: env-demo ## writes the table of a stream's states in docs/explanation/streams.md
	PYTHONPATH=. $(RUN) -m tools.stream_table

.PHONY: stress
stress: env-all ## two hundred forks in each way, many threads at once, and signals at any moment (FORKS=20)
	$(RUN) -m tests.process_models.fork_stress $(if $(FORKS),--forks '$(FORKS)') $(ARGS)
	$(RUN) -m tests.process_models.thread_stress
	$(RUN) -m tests.process_models.signal_stress

.PHONY: bench-service
bench-service: ## the service under load: requests per second, streams, a large database; needs wrk (QUICK=1)
	$(BENCH_ENV)
	$(BENCH) benchmarks.service $(BENCH_ARGS) --json .benchmarks/service.json $(ARGS)

.PHONY: outage
outage: ## simulate a thousand clients around an outage of a minute; draws docs/reference/outage.svg
	$(BENCH_ENV)
	$(BENCH) benchmarks.outage $(ARGS)

.PHONY: bench-docs
bench-docs: ## write the pages with figures in docs/reference from the last results of the benchmarks
	$(BENCH_ENV)
ifneq ($(wildcard .benchmarks/results.json),)
	$(BENCH) benchmarks.report .benchmarks/results.json $(wildcard .benchmarks/updates.json) > .benchmarks/page.md
	mv .benchmarks/page.md docs/reference/benchmarks.md
endif
ifneq ($(wildcard .benchmarks/service.json),)
	$(BENCH) benchmarks.report --service .benchmarks/service.json $(wildcard .benchmarks/access.json) > .benchmarks/page.md
	mv .benchmarks/page.md docs/reference/service-benchmarks.md
endif

##@ Changing things

# HEKSHER_REPOSITORY_URL says where the repository is published: see tools/project_metadata.py.
.PHONY: dist
dist: env-test ## the wheel and the source distribution, in dist/
	rm -rf dist
	$(RUN) -m hatchling build

.PHONY: format
format: env-all ## format, and mend what ruff can mend
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix

.PHONY: lock
lock: env-all ## bring uv.lock and requirements/ in step with pyproject.toml
	$(RUN) tools/lock.py write

.PHONY: clean
clean: ## remove everything that was built: environments, caches, reports
	rm -rf .venv .tools .pythons .canary .published .providers .browsers .benchmarks .bootstrap.lock build dist .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: env-demo env-test env-all
env-demo env-test env-all: env-%:
	@$(BOOTSTRAP) $*

.PHONY: help
help: ## this text
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
