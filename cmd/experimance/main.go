// Command experimance shows services at work, and talks to them from a shell. "experimance help" tells more.
package main

import (
	"os"

	"github.com/experimance/experimance-go/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
