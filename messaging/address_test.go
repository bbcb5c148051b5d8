package messaging

import "testing"

func TestParseAddressChoosesBindOrConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in        string
		bindNames bool
		endpoint  string
		bind      bool
	}{
		{"tcp://*:5555", false, "tcp://*:5555", true},
		{"tcp://0.0.0.0:5555", false, "tcp://0.0.0.0:5555", true},
		{"tcp://[::]:5555", false, "tcp://[::]:5555", true},
		{"tcp://127.0.0.1:*", false, "tcp://127.0.0.1:*", true},
		{"tcp://127.0.0.1:0", false, "tcp://127.0.0.1:0", true},
		{"tcp://127.0.0.1:5555", true, "tcp://127.0.0.1:5555", false},
		{"tcp://camera.local:5555", true, "tcp://camera.local:5555", false},
		{"@tcp://127.0.0.1:5555", false, "tcp://127.0.0.1:5555", true},
		{">tcp://127.0.0.1:5555", true, "tcp://127.0.0.1:5555", false},
		{"@tcp://*:5555", false, "tcp://*:5555", true},
		{"inproc://a", true, "inproc://a", true},
		{"inproc://a", false, "inproc://a", false},
		{"@inproc://a", false, "inproc://a", true},
		{">inproc://a", true, "inproc://a", false},
		{"ipc:///run/a", true, "ipc:///run/a", true},
		{"ipc://@a", false, "ipc://@a", false},
	} {
		got, err := parseAddresses(test.in, test.bindNames)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
		} else if len(got) != 1 || got[0].endpoint != test.endpoint || got[0].bind != test.bind {
			t.Errorf("%s: %+v, want endpoint %s, bind %v", test.in, got, test.endpoint, test.bind)
		}
	}
}

func TestParseAddressesTakesList(t *testing.T) {
	t.Parallel()
	got, err := parseAddresses("tcp://*:1, inproc://a ,>tcp://b:2", true)
	if err != nil {
		t.Fatal(err)
	}
	want := []address{
		{"tcp://*:1", "tcp", true},
		{"inproc://a", "inproc", true},
		{"tcp://b:2", "tcp", false},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
