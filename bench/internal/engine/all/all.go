// Package all lists the engines whose peers are this program itself.
package all

import (
	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/engine/experimance"
	"github.com/experimance/experimance-go/bench/internal/engine/gozeromq"
	"github.com/experimance/experimance-go/bench/internal/engine/natscore"
	"github.com/experimance/experimance-go/bench/internal/engine/pebbe"
	"github.com/experimance/experimance-go/bench/internal/engine/rawtcp"
)

// Engines returns the engines in the order of the tables.
func Engines() []engine.Engine {
	return []engine.Engine{pebbe.Engine{}, gozeromq.Engine{}, natscore.Engine{}, rawtcp.Engine{}, experimance.Engine{}}
}
