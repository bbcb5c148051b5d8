//go:build race

package cli_test

// buildFlags have the program under test look for data races where the tests do.
var buildFlags = []string{"-race"}
