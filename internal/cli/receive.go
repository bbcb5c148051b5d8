package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// receiver is a command that writes received messages to out, one in a line.
type receiver struct {
	svc   service.Lifecycle
	out   io.Writer
	count int // messages to write; 0 means no limit

	written int
	err     error // of writing
	done    bool  // there is nothing more to write
}

// run receives with a service that has been started, until count messages are written, out is closed by its reader, or ctx
// ends. Only a count that was not reached makes the end of ctx an error.
func (r *receiver) run(ctx context.Context) error {
	signal.Ignore(syscall.SIGPIPE) // a closed out is an error of writing
	err := r.svc.Run(ctx)
	switch {
	case isBrokenPipe(r.err):
		return nil
	case r.err != nil:
		return failure(r.err)
	case err != nil:
		return failure(err)
	case r.written < r.count:
		return unfinished(ctx, fmt.Sprintf("after %d of %d messages", r.written, r.count))
	}
	return nil
}

// handle writes one message. It is a messaging.Handler, called for one message at a time.
func (r *receiver) handle(ctx context.Context, d messaging.Delivery) error {
	if r.done { // the service is stopping
		return nil
	}
	line, err := formatLine(d)
	if err != nil {
		return &messaging.BadMessageError{Topic: d.Topic, Size: len(d.Payload), Err: err}
	}
	if _, r.err = r.out.Write(line); r.err == nil {
		r.written++
	}
	r.done = r.err != nil || r.written == r.count
	if !r.done {
		return nil
	}
	_, err = r.svc.Stop(ctx) // from a handler it only begins the stop
	return err
}

// formatLine is the message as a line of JSON: {"topic":...,"message":...}, without a topic where it has none.
func formatLine(d messaging.Delivery) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if d.Topic != "" {
		topic, err := json.Marshal(d.Topic)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `"topic":%s,`, topic)
	}
	b.WriteString(`"message":`)
	if err := json.Compact(&b, d.Payload); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}
