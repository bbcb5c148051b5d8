package zmq

import "net"

// writeDirect writes what waits, as far as the system takes it at once, in place of the writer, which sleeps. It is called by
// the sender that has the writer's part.
func (c *conn) writeDirect() {
	q := &c.p.out
	b := q.take(c.pend.batch)
	written := 0
	if len(b.ctl) == 0 && len(b.segs) == 1 && b.segs[0].tail == nil {
		c.parts = append(c.parts[:0], b.segs[0].b)
		written = c.now.write(c.parts)
	}
	c.pend = pending{batch: b, written: written}
	unfinished := len(b.ctl) > 0 || len(b.segs) != 1 || written < b.segs[0].size()
	if !unfinished {
		c.finish(b)
		c.pend.n = 0
	}
	asked := b.asked
	if q.giveBack(unfinished) {
		c.wakeWriter()
	}
	if asked {
		c.p.s.announceRoom()
	}
}

// writePending writes what a direct write has left. It reports false where the connection is at its end.
func (c *conn) writePending(vec *net.Buffers) bool {
	if !c.pend.waits() {
		return true
	}
	left := c.pend
	c.pend = pending{}
	return c.writeOut(left.batch, left.written, vec)
}

// takeBackPending returns to the queue what a direct write has left, when the connection has ended.
func (c *conn) takeBackPending() {
	if c.pend.waits() {
		c.takeBack(c.pend.batch, max(c.pend.written-len(c.pend.ctl), 0))
		c.pend = pending{}
	}
}

// waits reports whether there is something left to write.
func (p *pending) waits() bool { return p.n > 0 || len(p.ctl) > 0 }
