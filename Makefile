# The two commands: `make demo` and `make test`. Longer: `make bench`, `make overload`, `make soak`, `make fuzz`.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo fetch test tests format locks lint unit e2e deny docs clean fuzz bench-contract

# Five example APIs behind one gateway, each answering in its own documented error contract. The profile `demo` trades
# speed of the binary for speed of the build, and leaves the allocator out, whose C code takes long to configure.
demo:
	@[ -e $(TARGET)/demo/demur ] || echo "Building demur. The first build takes about four minutes on two cores; later builds take seconds."
	$(CARGO) build --profile demo -p demur-cli --no-default-features --locked
	$(TARGET)/demo/demur demo $(DEMO)

# Downloads everything that the build and the tests need: crates, and the programs that the end-to-end tests run. After
# it, `make test` works without a network, with CARGO_NET_OFFLINE=true.
INSTALLERS := e2e/postgres.sh e2e/prometheus.sh e2e/systemd.sh e2e/proxies.sh e2e/servers.sh e2e/chromium.sh e2e/browser/install.sh e2e/openapi/install.sh \
	e2e/python.sh e2e/schemathesis.sh e2e/desync.sh e2e/sdks/install.sh e2e/oracle/bodies/install.sh \
	crates/validation/tests/documents.sh e2e/documents.sh e2e/generators/install.sh e2e/prism/install.sh

fetch:
	$(CARGO) fetch --locked
	@for outside in bench/front bench/contract fuzz; do \
		$(CARGO) fetch --locked --manifest-path $$outside/Cargo.toml || exit 1; \
	done
	@for installer in $(INSTALLERS); do echo "$$installer" && "$$installer" >/dev/null || exit 1; done

# Everything that must hold: format, lints, documentation, unit, property and end-to-end tests.
test: format locks lint docs tests

format:
	$(CARGO) fmt --all --check

# What stands outside the workspace has locks of its own, which a new dependency of ours makes outdated.
locks:
	@for outside in bench/front bench/contract fuzz; do \
		$(CARGO) update --workspace --locked --quiet --manifest-path $$outside/Cargo.toml || exit 1; \
	done

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

# One selection of packages, so that every dependency is built once. It builds the binaries too, which the
# end-to-end tests start.
tests:
	$(CARGO) test --workspace --locked

# Parts of it, for a quick look while working.
unit:
	$(CARGO) test --workspace --exclude demur-e2e --locked

e2e:
	$(CARGO) test --workspace --locked --no-run
	$(CARGO) test --workspace --locked --test vectors --test invariants --test parser --test resilience \
		--test hostile --test proxy_chain

# Licences, duplicates and sources of dependencies. Installs cargo-deny where it is missing.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --offline check bans licenses sources

# The loader and parser of contracts and the HTTP/1 engine under mutations of the committed corpus, for FUZZ_SECONDS each: by
# cargo-fuzz where it and a nightly toolchain are there, and by our own bounded loop in any case.
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 1

fuzz:
	DEMUR_FUZZ_SECONDS=$(FUZZ_SECONDS) DEMUR_FUZZ_SEED=$(FUZZ_SEED) $(CARGO) test --release -p demur-contract \
		-p demur-http1 --test fuzz_corpus --test reading --locked -- --nocapture
	@if command -v cargo-fuzz >/dev/null && $(CARGO) +nightly --version >/dev/null 2>&1; then \
		for target in load parse head response chunks connection; do \
			$(CARGO) +nightly fuzz run $$target $(TARGET)/fuzz-corpus/$$target fuzz/corpus/$$target -- \
				-max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 || exit 1; \
		done; \
	else echo "cargo-fuzz or a nightly toolchain is missing: only our own mutations ran"; fi

# The front beside nginx, HAProxy, Envoy and a byte relay, all doing the same, and what it costs them: docs/explanation/benchmarks.md.
# It needs two cores and a machine that does nothing else; the counts need strace and valgrind as well.
.PHONY: bench bench-front overload soak
bench: bench-front
	@for part in table idle latency; do $(TARGET)/release/demur-bench-front $$part && echo || exit 1; done
	@for part in calls instructions; do $(TARGET)/release/demur-bench-front $$part fronts=nginx,demur && echo || exit 1; done

# Three times what can be done, and two thousand connections that drip.
overload: bench-front
	@for part in overload slow; do $(TARGET)/release/demur-bench-front $$part fronts=nginx,demur && echo || exit 1; done

# Mixed traffic: memory stays where it was, and nothing fails. `make soak SOAK_SECONDS=1800` for half an hour.
SOAK_SECONDS ?= 60
soak: bench-front soak-admission soak-paths soak-ending soak-reload
	$(TARGET)/release/demur-bench-front soak seconds=$(SOAK_SECONDS)

# The path oracle with every operation for every spelling, and with as many spellings made of two. Another seed, others.
.PHONY: soak-paths
soak-paths:
	$(CARGO) build --quiet -p demur-cli -p demur-examples
	DEMUR_ORACLE_ROUNDS=$(or $(ORACLE_ROUNDS),20000) DEMUR_ORACLE_SEED=$(or $(ORACLE_SEED),1) \
		$(CARGO) test --quiet -p demur-e2e --test oracle

# Ends a gateway under load after SOAK_CONNECTIONS connections: none of them is left without a response.
.PHONY: soak-ending
soak-ending:
	$(CARGO) build --quiet -p demur-cli -p demur-examples
	SOAK_CONNECTIONS=$(or $(SOAK_CONNECTIONS),27000) $(CARGO) test --quiet -p demur-e2e --test front -- --nocapture accepted_connections

# A hundred reloads under load, a third of them bad: no request fails, and quotas and credits are exact.
.PHONY: soak-reload
soak-reload:
	$(CARGO) build --quiet -p demur-cli -p demur-examples
	SOAK_RELOADS=$(or $(SOAK_RELOADS),100) $(CARGO) test --quiet -p demur-e2e --test reload -- --nocapture counts_are_exact

bench-front:
	$(CARGO) build --release --quiet --locked -p demur-cli
	cd bench/front && CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) build --release --quiet --locked
	CARGO_TARGET_DIR=$(abspath $(TARGET)) e2e/proxies.sh envoy >/dev/null

# Load, render and parse of every built-in (criterion), then one table beside the crates that do the like.
bench-contract:
	cd bench/contract && $(CARGO) bench --bench builtin -- --quick
	cd bench/contract && $(CARGO) run --release

# What admission and the ledger cost, beside SQLite alone. On a machine that does nothing else.
.PHONY: bench-admission bench-postgres soak-admission loom
bench-admission:
	$(CARGO) run --release --quiet -p demur-sqlite --example admission_bench

# Durable charges on PostgreSQL, beside pgbench with one row per transaction.
bench-postgres:
	$(CARGO) run --release --quiet -p demur-postgres --example charges_bench

# Kills what charges without end, two hundred times, and proves the books after each: the store, and the gateway over
# HTTP. What was acknowledged is counted outside of the process that is killed.
.PHONY: soak-admission
soak-admission:
	$(CARGO) run --release --quiet -p demur-sqlite --example soak -- $(or $(ROUNDS),200)
	$(CARGO) build --quiet -p demur-cli -p demur-examples
	SOAK_ROUNDS=$(or $(ROUNDS),200) $(CARGO) test --quiet -p demur-e2e --test charges -- --nocapture acknowledged

# Every order in which threads can meet on the counters, and very many in which they can at the hand-off to the thread
# that writes (the tests try some thousands of them each time).
loom:
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$(TARGET)/loom $(CARGO) test --release -p demur-admission --lib loom_tests
	DEMUR_SHUTTLE=1000000 $(CARGO) test -p demur-sqlite --lib handoff_tests

# What validation costs, beside what it is compared with.
.PHONY: bench-validation
bench-validation:
	$(CARGO) run --release --locked -p demur-validation --example validation_bench

# The packages below the target folder: a binary that is linked statically, a Debian package, and what a container image is
# made from. `buildah build -f dist/container/Containerfile target/dist/container` makes the image.
.PHONY: dist
DIST_TARGET ?= $(shell uname -m)-unknown-linux-gnu
dist:
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --locked -p demur-cli --target $(DIST_TARGET)
	@! readelf --program-headers $(TARGET)/$(DIST_TARGET)/release/demur | grep -q INTERP || { echo "the binary is not static" >&2; exit 1; }
	@mkdir -p $(TARGET)/dist/container
	cp $(TARGET)/$(DIST_TARGET)/release/demur $(TARGET)/dist/container/
	dist/sbom.py > $(TARGET)/dist/demur.cdx.json
	dist/debian.sh $(TARGET)/$(DIST_TARGET)/release/demur $(TARGET)/dist

# The journal: 20,000 rejections a second for a minute, and a lookup among ten million.
.PHONY: bench-journal
bench-journal:
	$(CARGO) run --release --locked -p demur-journal --features sqlite --example journal_bench -- 60 10000000

clean:
	$(CARGO) clean

# What the Tower layer costs beside tower_governor and authentication by hand.
.PHONY: bench-tower
bench-tower:
	$(CARGO) bench --locked -p demur-tower --bench overhead

# The documentation as a book, below the target folder. Installs mdbook where it is missing.
.PHONY: book
book:
	@command -v mdbook >/dev/null || $(CARGO) install --locked mdbook --no-default-features --features search
	mdbook build docs --dest-dir $(abspath $(TARGET))/book
