package messaging

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/experimance/experimance-go/service"
)

// Heartbeat is the message by which a publisher tells that it lives. The first four keys are the wire's contract; a
// reader must ignore keys that it does not know, and do without the others.
type Heartbeat struct {
	Type      MessageType   `json:"type"`      // TypeHeartbeat
	Timestamp float64       `json:"timestamp"` // Unix seconds
	Service   string        `json:"service"`   // the service's name
	State     service.State `json:"state"`     // lower case

	Instance    string         `json:"instance,omitzero"`
	ServiceType string         `json:"service_type,omitzero"`
	Status      service.Status `json:"status,omitzero"`
	Uptime      float64        `json:"uptime,omitzero"` // seconds since the service was started
}

// Time returns the timestamp as a time.
func (h Heartbeat) Time() time.Time {
	seconds, fraction := math.Modf(h.Timestamp)
	return time.Unix(int64(seconds), int64(fraction*1e9))
}

// beat sends a heartbeat at once and then at each interval, until the service stops.
func (p *Publisher) beat(ctx context.Context) error {
	if _, err := p.States().WaitForState(ctx, service.Running); err != nil {
		return err // stopped before it ran
	}
	s, err := p.link.get("Heartbeat")
	if err != nil {
		return err
	}
	p.beating.Store(true)
	for {
		if err := p.sendHeartbeat(ctx, s); err != nil && ctx.Err() == nil {
			p.RecordError(err)
		}
		if !p.Sleep(ctx, p.heartbeatInterval) {
			return nil
		}
	}
}

// lastHeartbeat tells subscribers that the service stops, where it had told them that it lives.
func (p *Publisher) lastHeartbeat(ctx context.Context, s pubSocket) {
	if p.beating.Load() {
		if err := p.sendHeartbeat(ctx, s); err != nil {
			p.RecordWarning(err)
		}
	}
}

func (p *Publisher) sendHeartbeat(ctx context.Context, s pubSocket) error {
	stats := p.Stats()
	h := Heartbeat{
		Type:        TypeHeartbeat,
		Timestamp:   float64(time.Now().UnixMicro()) / 1e6,
		Service:     p.Name(),
		State:       stats.State,
		Instance:    p.Instance(),
		ServiceType: p.Type(),
		Status:      stats.Status,
		Uptime:      stats.Uptime.Seconds(),
	}
	return p.send(ctx, s, p.heartbeatTopic, func(buf *bytes.Buffer) error { return encodeObject(JSON{}, buf, &h) })
}
