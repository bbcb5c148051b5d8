package mechanism_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
)

func ExampleGenerateKeyPair() {
	keys, err := mechanism.GenerateKeyPair()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(keys.Public().String()), "characters for others,", len(keys.Secret()), "for a safe place")
	// Output: 40 characters for others, 40 for a safe place
}

func TestPublicKeyFollowsFromSecret(t *testing.T) {
	t.Parallel()
	for secret, public := range map[string]string{serverSecret: serverPublic, clientSecret: clientPublic} {
		keys := pair(t, secret)
		if got := keys.Public().String(); got != public || keys.Secret() != secret || keys.IsZero() {
			t.Errorf("public %q, secret %q; want %q, %q", got, keys.Secret(), public, secret)
		}
	}
}

func TestGeneratedPairsDiffer(t *testing.T) {
	t.Parallel()
	a, b := newPair(t), newPair(t)
	if a.Public() == b.Public() || a.Secret() == b.Secret() {
		t.Errorf("%v and %v", a, b)
	}
	if again := pair(t, a.Secret()); again.Public() != a.Public() {
		t.Errorf("%v has become %v", a, again)
	}
}

func TestZeroKeyPair(t *testing.T) {
	t.Parallel()
	var keys mechanism.KeyPair
	if !keys.IsZero() || keys.Secret() != "" || keys.Public() != (mechanism.PublicKey{}) {
		t.Errorf("%v, %q", keys.Public(), keys.Secret())
	}
}

func TestPublicKeyAsText(t *testing.T) {
	t.Parallel()
	key, err := mechanism.ParsePublicKey(serverPublic)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[mechanism.PublicKey]mechanism.PublicKey{key: key})
	if err != nil {
		t.Fatal(err)
	}
	var back map[mechanism.PublicKey]mechanism.PublicKey
	if err := json.Unmarshal(b, &back); err != nil || back[key] != key {
		t.Errorf("%s: %v, %v", b, back, err)
	}
	if err := json.Unmarshal([]byte(`"short"`), &key); err == nil || key != (mechanism.PublicKey{}) {
		t.Errorf("%v, %v", key, err)
	}
}

func TestKeysRefuseText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "HelloWorld", serverPublic[1:], serverPublic + "0", "\"" + serverPublic[1:], "#####" + serverPublic[5:]} {
		_, err := mechanism.ParsePublicKey(text)
		if err == nil || !strings.HasPrefix(err.Error(), "public key: ") {
			t.Errorf("public key %q: %v", text, err)
		}
		_, err = mechanism.ParseSecretKey(text)
		if err == nil || !strings.HasPrefix(err.Error(), "secret key: ") || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("secret key %q: %v", text, err)
		}
	}
}

// TestSecretsDoNotShow prints what holds a secret in every way that a program might.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	keys := pair(t, clientSecret)
	raw, err := mechanism.DecodeZ85(clientSecret)
	if err != nil {
		t.Fatal(err)
	}
	type settings struct {
		Open   any
		hidden any
	}
	for _, v := range []any{
		keys, &keys,
		settings{keys, keys},
		mechanism.CurveClient{Keys: keys},
		mechanism.CurveServer{Keys: keys},
		mechanism.PlainClient{Username: "u", Password: clientSecret},
		mechanism.AuthRequest{Username: "u", Password: clientSecret},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("here", "v", v)
		if _, isRequest := v.(mechanism.AuthRequest); isRequest {
			slog.New(slog.NewJSONHandler(&out, nil)).Info("here", "v", v)
		}
		for _, secret := range []string{clientSecret, string(raw), hex.EncodeToString(raw), hex.EncodeToString([]byte(clientSecret)), fmt.Sprint(raw)} {
			if strings.Contains(out.String(), strings.Trim(secret, "[]")) {
				t.Errorf("%T shows its secret: %s", v, &out)
			}
		}
	}
}
