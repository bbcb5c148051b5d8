# The versions of the tools are pinned here and nowhere else.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
STATICCHECK   = honnef.co/go/tools/cmd/staticcheck@v0.8.0
GOFUMPT       = mvdan.cc/gofumpt@v0.12.0

TARGETS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: help fmt lint test race fuzz soak attack bench cross ci

help: ## print this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

fmt: ## format every file
	go run $(GOFUMPT) -w .

lint: ## vet, format check, staticcheck, golangci-lint
	go vet ./...
	@out=$$(go run $(GOFUMPT) -l .); test -z "$$out" || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }
	go run $(STATICCHECK) ./...
	go run $(GOLANGCI_LINT) run ./...

test: ## run all tests
	go test ./...

race: ## run all tests with the race detector
	go test -race ./...

fuzz: ## run each fuzz target for ten seconds
	scripts/fuzz 10s

soak: ## a minute of sockets under faults, in which every message is accounted for
	go run ./internal/soak -seed 1 -time 60s

attack: ## hostile peers against a socket, for less than a minute, with the bounds checked
	go run ./internal/attack -short -check

bench: ## run all benchmarks
	go test -run '^$$' -bench . ./...

cross: ## build for every supported platform, without cgo
	@for t in $(TARGETS); do echo $$t; CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} go build -o /dev/null ./... || exit 1; done

ci: ## what a submission must pass
	.ci/run
