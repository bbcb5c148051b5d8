package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// endpoint is the flags that pub, sub, push and pull share.
type endpoint struct {
	addresses []string
	count     int
	timeout   time.Duration
}

const addressHelp = `An address is tcp://host:port; several are given by several --address. A wildcard host or port binds ("tcp://*:5555",
"tcp://127.0.0.1:*"), another host is connected to; a leading "@" forces binding, and ">" connecting.`

func (e *endpoint) flags(cmd *cobra.Command, byDefault string) {
	cmd.Flags().StringArrayVarP(&e.addresses, "address", "a", nil, "address to use; may be repeated (default "+byDefault+")")
	cmd.Flags().IntVarP(&e.count, "count", "n", 0, "end after so many messages (default no limit)")
	cmd.Flags().DurationVar(&e.timeout, "timeout", 0, "end after this time at the latest (default no limit)")
}

// check returns what is wrong with the flags.
func (e *endpoint) check() error {
	switch {
	case e.count < 0:
		return fmt.Errorf("--count is negative (%d)", e.count)
	case e.timeout < 0:
		return fmt.Errorf("--timeout is negative (%v)", e.timeout)
	}
	return nil
}

// address is the addresses as services take them.
func (e *endpoint) address() string { return strings.Join(e.addresses, ",") }

// config is the configuration that the command's service needs besides name and address.
func (e *endpoint) config() messaging.Config {
	return messaging.Config{Service: service.Config{StopTimeout: min(e.timeout, service.DefaultStopTimeout)}}
}

// context returns a context that ends with --timeout or a signal, for the cause errTimeout or errInterrupted.
func (e *endpoint) context() (context.Context, context.CancelFunc) {
	ctx := interruptible(stopSignals...)
	if e.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, e.timeout, errTimeout)
}

// start starts a service, which takes no time that counts: that ctx ends meanwhile shows in what comes next.
func start(ctx context.Context, svc service.Lifecycle) error {
	return failure(svc.Start(context.WithoutCancel(ctx)))
}

// announce writes the addresses that were chosen by the system.
func (e *endpoint) announce(out io.Writer, name string, resolved []string) {
	for i, asked := range e.addresses {
		if i < len(resolved) && (strings.HasSuffix(asked, ":*") || strings.HasSuffix(asked, ":0")) {
			fmt.Fprintf(out, "%s: bound to %s\n", name, resolved[i])
		}
	}
}
