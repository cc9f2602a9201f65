# The two commands: `make demo` and `make test`.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo test format lint unit e2e deny docs clean

# Five example APIs behind one gateway, each answering in its own documented error contract.
demo:
	$(CARGO) build --release --quiet -p demur-cli
	$(TARGET)/release/demur demo $(DEMO)

# Everything that must hold: format, lints, documentation, unit, property and end-to-end tests.
test: format lint docs unit e2e

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

unit:
	$(CARGO) test --workspace --exclude demur-e2e --locked

# The end-to-end tests start the real binaries, so these are built first.
e2e:
	$(CARGO) build --locked -p demur-cli -p demur-examples
	$(CARGO) test --locked -p demur-e2e

# Licences, duplicates and sources of dependencies. Installs cargo-deny where it is missing.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --offline check bans licenses sources

# What validation costs, beside what it is compared with.
.PHONY: bench-validation
bench-validation:
	$(CARGO) run --release --locked -p demur-validation --example bench

clean:
	$(CARGO) clean
