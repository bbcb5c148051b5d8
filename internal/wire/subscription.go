package wire

// AppendSubscribe appends a whole frame that subscribes to topic, or cancels a
// subscription, in the form that a peer of this minor version understands: the
// message 01 topic or 00 topic for ZMTP 3.0, the command SUBSCRIBE or CANCEL from
// 3.1 on (RFC 37, "The Publish-Subscribe Pattern").
func AppendSubscribe(dst []byte, minor byte, cancel bool, topic []byte) []byte {
	if minor == 0 {
		dst = AppendHeader(dst, 0, 1+len(topic))
		if cancel {
			dst = append(dst, 0)
		} else {
			dst = append(dst, 1)
		}
		return append(dst, topic...)
	}
	if cancel {
		return AppendCommand(dst, CommandCancel, topic)
	}
	return AppendCommand(dst, CommandSubscribe, topic)
}

// ParseSubscription decodes a frame, given by its flags and body, as a
// subscription or its cancellation, in either form and whatever the version of
// the peer. It reports false for every other frame. The topic is a slice of body.
//
// A message form is one frame: the caller must not ask for the last frame of a
// longer message, which looks the same.
func ParseSubscription(flags byte, body []byte) (topic []byte, cancel, ok bool) {
	if flags&FlagCommand != 0 {
		return parseSubscriptionCommand(body)
	}
	if flags&FlagMore != 0 || len(body) == 0 || body[0] > 1 {
		return nil, false, false
	}
	return body[1:], body[0] == 0, true
}

func parseSubscriptionCommand(body []byte) (topic []byte, cancel, ok bool) {
	name, topic, err := ParseCommand(body)
	if err != nil {
		return nil, false, false
	}
	switch string(name) {
	case CommandSubscribe:
		return topic, false, true
	case CommandCancel:
		return topic, true, true
	default:
		return nil, false, false
	}
}
