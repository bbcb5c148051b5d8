package peer

import (
	"encoding/binary"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// The first frame of a message: a topic or a time stamp at the beginning, and at markAt whether it counts.
const (
	markAt  = 15
	MinSize = 16 // the least Spec.Size
)

// The marks: probes show that the way stands, and end before the measurement begins.
const (
	probeMark = 0
	countMark = 1
)

// message returns a message of the spec.
func (s Spec) message(mark byte) engine.Message {
	m := make(engine.Message, s.Frames)
	for i := range m {
		m[i] = make([]byte, s.Size)
	}
	m[0][markAt] = mark
	return m
}

// plain returns a message of the spec without a mark, whose frames may be shorter than MinSize.
func (s Spec) plain() engine.Message {
	m := make(engine.Message, s.Frames)
	memory := make([]byte, s.Frames*s.Size)
	for i := range m {
		m[i] = memory[i*s.Size : (i+1)*s.Size : (i+1)*s.Size]
	}
	return m
}

// batchBytes is what a batch comes to: a call of an engine is worth some MiB of messages, which keeps looks at the
// clock and calls through interfaces out of what is measured.
const (
	batchBytes = 1 << 20
	batchMost  = 1000
)

// batch returns the number of messages between two looks at the clock.
func (s Spec) batch() int {
	return min(max(batchBytes/(s.Size*s.Frames), 1), batchMost)
}

// batches returns the messages that are sent in turn, all with one mark: one batch of the same message, or one message of
// each topic.
func (s Spec) batches(mark byte) [][]engine.Message {
	if s.Topics == 0 {
		m := s.message(mark)
		batch := make([]engine.Message, s.batch())
		for i := range batch {
			batch[i] = m
		}
		return [][]engine.Message{batch}
	}
	all := make([]engine.Message, s.Topics)
	for i := range all {
		all[i] = s.message(mark)
		copy(all[i][0], engine.Topic(i))
	}
	var batches [][]engine.Message
	for n := s.batch(); len(all) > 0; all = all[min(n, len(all)):] {
		batches = append(batches, all[:min(n, len(all))])
	}
	return batches
}

// topic returns what the i-th subscriber subscribes to: all, or a topic of its own.
func (s Spec) topic(i int) string {
	if s.Topics == 0 {
		return ""
	}
	return engine.Topic(i * s.Topics / s.Sockets)
}

func isProbe(first []byte) bool { return first[markAt] == probeMark }

// stamp and stamped write and read a time at the beginning of a frame; 0 is no time.
func stamp(first []byte, ns int64) { binary.LittleEndian.PutUint64(first, uint64(ns)) }

func stamped(first []byte) int64 { return int64(binary.LittleEndian.Uint64(first)) }
