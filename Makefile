# What a developer does here. Everything runs on this machine alone; nothing is deployed.

.DEFAULT_GOAL := help
.PHONY: help setup up demo check test sam localstack emulator upgrade

PORT ?= 9000
# For `muster demo`, for example: make demo ARGS="--phones 1000 --seed 7"
ARGS ?=

help:
	@echo "make demo   start Muster, let 200 phones play, print what they saw"
	@echo "make up     run Muster on http://127.0.0.1:$(PORT) until Ctrl-C (PORT=9000)"
	@echo "make check  what needs no build of Muster: template.yaml held to tools and code, licences"
	@echo "make test   everything: format, lints, all checks, all tests"
	@echo "make sam    the functions in SAM's containers, where there is a Docker engine"
	@echo "make localstack  the end-to-end suite, the bus, the secret and the schedule on LocalStack, where there is Python 3.13"
	@echo "make emulator   this template deployed to an emulator of AWS: played, changed, broken, rotated, rolled back, deleted"
	@echo "make upgrade    the last release and this tree side by side under phones, and back again"
	@echo "make setup  only install what these need"

setup:
	@sh tools/setup.sh

up: setup
	@cargo build --quiet -p muster-functions -p muster-tools
	@exec target/debug/muster up --port $(PORT)

demo: setup
	@cargo build --quiet -p muster-functions -p muster-tools
	@exec target/debug/muster demo $(ARGS)

# Python tools and cargo-deny are installed into .local once, by name from PyPI and crates.io.
check:
	@tools/checks/run.sh
	@tools/checks/deny.sh
	@tools/checks/deployers.sh

# The core is checked alone because that proves that it does no I/O. The binaries are built with the tests: then both share
# every dependency as the tests have it built.
test:
	@sh tools/setup.sh test
	@$(MAKE) --no-print-directory check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo check -p muster --no-default-features
	cargo build --workspace --bins --tests
	cargo nextest run --workspace
	@tools/release/check.sh
	@tools/checks/api.sh
	@tools/checks/clients.sh
	@tools/sam/check.sh
	@tools/localstack/check.sh
	@tools/emulator/check.sh short
	cargo test --workspace --doc

# Parts of `make test` that need what a plain machine may lack, and say so.
sam:
	@sh tools/setup.sh test
	@tools/sam/check.sh

localstack:
	@sh tools/setup.sh test
	@cargo build --quiet --workspace --bins --tests
	@tools/localstack/check.sh

emulator:
	@sh tools/setup.sh test
	@cargo build --quiet --workspace --bins --tests
	@tools/emulator/check.sh

upgrade:
	@sh tools/setup.sh test
	@cargo build --quiet --workspace --bins --tests
	@before=$$(tools/upgrade/build.sh) && target/debug/muster drill upgrade --before "$$before"
