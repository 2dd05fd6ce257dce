.PHONY: build test demo fmt lint bench docs reference install uninstall deb fuzz clean

# Generic types are made by the functions that make them, not by a search for their names among all conformances of the program:
# a short command ends a fifth sooner (docs/performance.md).
# And no debugger's tables are made: they take time to make, and more room than the program. Functions keep their names.
# The toolchain's own linker takes a third of the time of the system's.
# The program is linked for one place in memory: a fifth to a third of the time of a short command was spent on moving it
# (docs/decisions/0033-one-place-in-memory.md).
RELEASE_FLAGS = -debug-info-format none -Xswiftc -use-ld=lld -Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors -Xlinker -no-pie -Xlinker --no-export-dynamic

build: ; swift build -c release --static-swift-stdlib $(RELEASE_FLAGS) --product slipway
test: ; scripts/install-dependencies --test && $(MAKE) --no-print-directory lint docs && scripts/test
demo: ; scripts/install-dependencies && $(MAKE) --no-print-directory build && scripts/demo
fmt: ; swift format format --in-place --recursive Package.swift Sources Tests Fuzz
lint: ; swift format lint --strict --recursive Package.swift Sources Tests Fuzz
bench: ; Benchmarks/run
docs: ; scripts/check-docs
reference: ; swift build --product slipway && rm -rf docs/reference && .build/debug/slipway __docs reference docs/reference
install: ; scripts/install
uninstall: ; scripts/install --uninstall
deb: build ; scripts/make-deb
fuzz: ; scripts/fuzz
clean: ; rm -rf .build
