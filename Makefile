# make            build weir into build/
# make test       install what the tests need (when root), build, vet, run every test
# make bench      weir beside nginx, HAProxy and Caddy; BENCH="-cases keep-alive -rounds 2" for less
# make fuzz       every fuzz target for FUZZTIME each
# make setup      only install what the tests need

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?=
# These measure times and counts of running programs: nothing may run beside them.
TIMED    := ./test/steady ./test/faults ./test/chaos ./test/origins
PACKAGES := nginx haproxy apache2 apache2-utils wrk nghttp2-client curl chromium strace openssl

.PHONY: build setup test bench fuzz

build:
	$(GO) build -o build/weir ./cmd/weir

# Node may be there from elsewhere than Debian, whose package then does not fit beside it.
setup:
	@missing=$$(for p in $(PACKAGES) $$(command -v node >/dev/null || echo nodejs); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
	    echo "the tests need: $$(echo $$missing); install with: sudo make setup" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && apt-get install -q -y --no-install-recommends $$missing

test: setup build
	$(GO) vet ./...
	$(GO) test -timeout 10m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(TIMED))")
	$(GO) test -timeout 10m -p 1 $(TIMED)

bench: setup
	$(GO) run ./test/bench $(BENCH)

# go test fuzzes one target of one package at a time.
fuzz:
	@set -e; for p in $$($(GO) list ./...); do \
	    for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	        echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; \
	    done; done
