package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// input is one message to send.
type input struct {
	where string // for errors: "line 3 of standard input"
	text  []byte
	err   error // the input ended here for this reason
}

// byteOrderMark is what editors and shells of Windows put before UTF-8.
var byteOrderMark = []byte("\ufeff")

// longestInput bounds a line, in bytes: larger messages are not sent anyway.
const longestInput = 256 << 20

// inputs returns the messages to send, at most count where that is not 0: the argument, so often (once by default), or the
// lines of in that are not blank, without a byte order mark before the first. Reading a line that nobody asks for any more may go on until the process ends.
func inputs(ctx context.Context, args []string, in io.Reader, count int) <-chan input {
	messages := make(chan input)
	yield := func(m input) bool {
		select {
		case messages <- m:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(messages)
		if len(args) > 0 {
			again := true
			for n := max(count, 1); n > 0 && again; n-- {
				again = yield(input{where: "the argument", text: []byte(args[0])})
			}
			return
		}
		readLines(in, count, yield)
	}()
	return messages
}

func readLines(in io.Reader, count int, yield func(input) bool) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestInput)
	number := 0
	for taken := 0; (count == 0 || taken < count) && lines.Scan(); {
		number++
		text := lines.Bytes()
		if number == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		taken++
		if !yield(input{where: fmt.Sprintf("line %d of standard input", number), text: bytes.Clone(text)}) {
			return
		}
	}
	if err := lines.Err(); err != nil {
		yield(input{err: fmt.Errorf("line %d of standard input: %w", number+1, err)})
	}
}

// checkObject returns why text is not a JSON object.
func checkObject(text []byte) error {
	var value json.RawMessage
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return fmt.Errorf("%.40q is not a JSON object", text)
	}
	return nil
}
