package mechanism

import "fmt"

// CurveFleet closes a fleet of peers to strangers, with the same settings for all of them: one that is connected to acts as
// a [CurveServer], one that connects as a [CurveClient]. A socket that does both has both parts.
type CurveFleet struct {
	// Keys is this peer's own pair. Required. The members of a fleet may share one.
	Keys KeyPair

	// ServerKey is the public key of those that this peer connects to. The zero key stands for Keys' public key: the fleet
	// shares one pair.
	ServerKey PublicKey

	// Members is the set of public keys that may connect to this peer. It may be changed at any time; the connections of a
	// key that is removed end. Nil stands for Keys' public key alone.
	Members *KeySet
}

// Factory refuses settings without keys.
func (f CurveFleet) Factory() (func(Params) Mechanism, error) {
	if f.Keys.IsZero() {
		return nil, fmt.Errorf("CurveFleet.Keys %w", errNoKeys)
	}
	if f.ServerKey == (PublicKey{}) {
		f.ServerKey = f.Keys.Public()
	}
	if f.Members == nil {
		f.Members = NewKeySet(f.Keys.Public())
	}
	server, err := CurveServer{Keys: f.Keys, Clients: f.Members}.Factory()
	if err != nil {
		return nil, err
	}
	client, err := CurveClient{Keys: f.Keys, ServerKey: f.ServerKey}.Factory()
	if err != nil {
		return nil, err
	}
	return func(params Params) Mechanism {
		if params.Server {
			return server(params)
		}
		return client(params)
	}, nil
}
