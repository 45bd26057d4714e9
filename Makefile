# Everything runs from here. Needs make, git and any Python 3; tools/bootstrap brings the rest into .venv and .tools.
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup run smoke simulate day test promises matrix check bench synth bootstrap deploy diff destroy clean forget

help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## fetch the tools and dependencies (every other target does it first; instant once done)
	@tools/bootstrap

run: setup ## start Kalends on this machine: http://localhost:3001 (PORT changes it; .env: real accounts)
	@exec $(PYTHON) -m infra.local --env-file .env

smoke: setup ## three accounts, 300 events, 60 live changes, CalDAV and both ways on the whole system; FAULTS=1: in bad weather
	@$(PYTHON) -m tests.smoke $(if $(FAULTS),--faults)

simulate: setup ## the whole sync on a virtual clock in bad weather: SEEDS=200 histories; one is replayed by ARGS="--seed n --trace"
	@$(PYTHON) -m tests.simulation --seeds "$(or $(SEEDS),200)" $(ARGS)

day: setup ## a day in the life on a virtual clock: 200 people, 600 calendars, judged, and counted against the quota lines
	@$(PYTHON) -m tests.simulation.day $(ARGS)

test: setup ## all tests, and what of shared/ they cover (ARGS="-k name" narrows)
	@$(PYTHON) -m tests.e2e.browser install
	@$(PYTHON) -m coverage erase
	@$(PYTHON) -m coverage run -m pytest -n 2 --dist loadgroup $(ARGS); status=$$?; \
		$(PYTHON) -m coverage combine --quiet && $(PYTHON) -m coverage report; covered=$$?; \
		exit $$(( status ? status : covered ))

check: setup ## style, types, import law, migrations, templates (cfn-lint, cdk-nag), what each handler costs to import
	@echo "check: style" && .venv/bin/ruff check .
	@echo "check: types" && .venv/bin/mypy
	@echo "check: who may import whom" && .venv/bin/lint-imports
	@echo "check: migrations" && .venv/bin/squawk migrations/*.up.sql
	@echo "check: templates" && $(PYTHON) -m infra.synth && .venv/bin/cfn-lint && $(PYTHON) -m infra.audit
	@echo "check: handlers" && $(PYTHON) -m infra.imports

promises: setup ## the tests of the engine's promises and of others' pains alone, with a table (docs/promises.md)
	@$(PYTHON) -m pytest -q -p tests.promises $(ARGS)

matrix: setup ## the recurrence corpus on every ordered pair of providers, one way and both ways, as tables (four minutes)
	@$(PYTHON) -m tests.matrix $(ARGS)

bench: setup ## measure beside the peers (5 minutes); writes build/bench.json and docs/performance.md
	@$(PYTHON) -m tests.bench

synth: setup ## write the CloudFormation templates of every stage into cdk.out/
	@$(PYTHON) -m infra.synth

bootstrap: setup ## prepare an AWS account and region for the CDK, once: make bootstrap STAGE=dev
	@$(PYTHON) -m infra.deploy bootstrap "$(STAGE)" $(ARGS)

deploy: setup ## put a stage on AWS: make deploy STAGE=dev ARGS="--parameters ..." (docs/deploy.md)
	@$(PYTHON) -m infra.deploy deploy "$(STAGE)" $(ARGS)

diff: setup ## what deploying a stage would change
	@$(PYTHON) -m infra.deploy diff "$(STAGE)" $(ARGS)

destroy: setup ## take a stage away from AWS, with its data where the stage does not keep it
	@$(PYTHON) -m infra.deploy destroy "$(STAGE)" $(ARGS)

clean: ## forget the local data and everything built (keeps .venv and .tools, and what belongs to real accounts)
	@tools/clean

forget: ## forget what was kept of real accounts; disconnect them first (docs/real-accounts.md)
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m infra.local --forget --directory .local-real; fi
	@rm -rf .local-real
