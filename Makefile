.PHONY: build test demo fmt lint bench docs clean

build: ; swift build -c release --static-swift-stdlib --product slipway
test: ; scripts/install-dependencies --test && $(MAKE) --no-print-directory lint docs && scripts/test
demo: ; scripts/install-dependencies && $(MAKE) --no-print-directory build && scripts/demo
fmt: ; swift format format --in-place --recursive Package.swift Sources Tests
lint: ; swift format lint --strict --recursive Package.swift Sources Tests
bench: ; Benchmarks/run
docs: ; scripts/check-docs
clean: ; rm -rf .build
