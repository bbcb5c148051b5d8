// Command camera shows a service of a type of its own: Camera embeds a service, has its own Start, Run and Stop, and a
// state of its own, calibrating. Ctrl-C stops it.
//
//	go run ./examples/camera
package main

import (
	"flag"
	"log"
	"time"

	"github.com/experimance/experimance-go/service"
)

func main() {
	interval := flag.Duration("interval", 500*time.Millisecond, "time from one frame to the next")
	flag.Parse()
	c, err := NewCamera(service.Config{Name: "camera"}, *interval)
	if err != nil {
		log.Fatal(err)
	}
	c.States().OnState(Calibrating, func(t service.Transition) {
		c.Logger().Info("the light has changed", "from", t.From)
	})
	service.Main(c)
}
