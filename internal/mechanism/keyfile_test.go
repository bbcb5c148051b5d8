package mechanism_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
)

func ExampleSaveKeyPair() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	keys, err := mechanism.GenerateKeyPair()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := mechanism.SaveKeyPair(filepath.Join(dir, "camera.key"), keys); err != nil {
		fmt.Println(err)
		return
	}

	mine, err := mechanism.LoadKeyPair(filepath.Join(dir, "camera.key_secret"))
	fmt.Println("for the camera itself:", mine.Public() == keys.Public(), err)
	theirs, err := mechanism.LoadPublicKey(filepath.Join(dir, "camera.key"))
	fmt.Println("for its peers:", theirs == keys.Public(), err)
	// Output:
	// for the camera itself: true <nil>
	// for its peers: true <nil>
}

// keyFile writes a key file and returns its path.
func keyFile(t *testing.T, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

func TestSavedFilesAndTheirModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.key")
	keys := pair(t, clientSecret)
	if err := mechanism.SaveKeyPair(path, keys); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		mode fs.FileMode
		says string
	}{
		{path, 0o644, "metadata\ncurve\n    public-key = \"" + clientPublic + "\"\n"},
		{path + "_secret", 0o600, "metadata\ncurve\n    public-key = \"" + clientPublic + "\"\n    secret-key = \"" + clientSecret + "\"\n"},
	} {
		text, err := os.ReadFile(tt.path)
		if err != nil || !strings.HasSuffix(string(text), "\n"+tt.says) {
			t.Errorf("%s: %q, %v", tt.path, text, err)
		}
		info, err := os.Stat(tt.path)
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&^tt.mode != 0 {
			t.Errorf("%s: mode %v, %v", tt.path, info.Mode(), err)
		}
		key, err := mechanism.LoadPublicKey(tt.path)
		if err != nil || key != keys.Public() {
			t.Errorf("%s: %v, %v", tt.path, key, err)
		}
	}
}

func TestSaveOverwritesNothing(t *testing.T) {
	t.Parallel()
	for _, existing := range []string{"a.key", "a.key_secret"} {
		path := filepath.Join(filepath.Dir(keyFile(t, existing, "precious", 0o600)), "a.key")
		err := mechanism.SaveKeyPair(path, newPair(t))
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), existing) {
			t.Errorf("%s exists: %v", existing, err)
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			t.Errorf("%s exists: left %v, %v", existing, entries, err)
		}
	}
	if err := mechanism.SaveKeyPair(filepath.Join(t.TempDir(), "a.key"), mechanism.KeyPair{}); err == nil {
		t.Error("saved an empty pair")
	}
	if err := mechanism.SaveKeyPair(filepath.Join(t.TempDir(), "no", "a.key"), newPair(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestSecretFileMustBeItsOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	text := "curve\n    secret-key = \"" + clientSecret + "\"\n"
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true,
		0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o644: false, 0o610: false,
	} {
		keys, err := mechanism.LoadKeyPair(keyFile(t, "a.key_secret", text, mode))
		if ok && (err != nil || keys.Public().String() != clientPublic) {
			t.Errorf("mode %v: %v, %v", mode, keys, err)
		}
		if !ok && (err == nil || !strings.Contains(err.Error(), "chmod 600") || !keys.IsZero()) {
			t.Errorf("mode %v: %v, %v; want an error that says what to do", mode, keys, err)
		}
	}
}

func TestKeyFileSyntax(t *testing.T) {
	t.Parallel()
	both := "public-key = \"" + clientPublic + "\"\n    secret-key = \"" + clientSecret + "\"\n"
	for _, tt := range []struct {
		name, text string
		says       string // in the error, empty for none
	}{
		{"of pyzmq", "#   ****  Generated on 2020-01-01 by pyzmq  ****\n#   curve\n\nmetadata\ncurve\n    " + both, ""},
		{"with metadata", "metadata\n    name = \"x\"\n    public-key = \"not this\"\ncurve\n    " + both, ""},
		{"no secret's public half", "curve\n    secret-key = \"" + clientSecret + "\"", ""},
		{"single quotes, CRLF, tabs", "curve\r\n\tsecret-key\t=\t'" + clientSecret + "'\r\n", ""},
		{"no quotes", "curve\n    secret-key=" + clientSecret, ""},
		{"byte order mark", "\ufeffcurve\r\n    " + both, ""},
		{"unknown things", "curve\n    color = \"red\"\n    " + both + "\nother\n    secret-key = \"no\"\n", ""},

		{"empty", "", "no secret-key"},
		{"no section", both, "no secret-key"},
		{"commented out", "curve\n#   secret-key = \"" + clientSecret + "\"", "no secret-key"},
		{"public alone", "curve\n    public-key = \"" + clientPublic + "\"", "no secret-key"},
		{"short", "curve\n    secret-key = \"" + clientSecret[1:] + "\"", "line 2: secret key: 39 characters"},
		{"no Z85", "curve\n    secret-key = \"~" + clientSecret[1:] + "\"", "character 1 "},
		{"of two pairs", "curve\n    public-key = \"" + serverPublic + "\"\n    secret-key = \"" + clientSecret + "\"", "one pair"},
		{"twice", "curve\n    " + both + "    " + both, "line 4"},
		{"no key", "curve\n    secret-key = \"\"", "line 2"},
		{"UTF-16", "\xff\xfec\x00u\x00r\x00v\x00e\x00", "UTF-8"},
		{"something large", strings.Repeat("x", 65<<10), "no certificate has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := keyFile(t, "a.key_secret", tt.text, 0o600)
			keys, err := mechanism.LoadKeyPair(path)
			if tt.says == "" {
				if err != nil || keys.Secret() != clientSecret {
					t.Errorf("%v, %v", keys, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) || !keys.IsZero() {
				t.Errorf("%v, %v; want an error with %q", keys, err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), clientSecret[1:]) {
				t.Errorf("error shows the secret: %v", err)
			}
		})
	}
}

func TestPublicKeyFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, says string }{
		{"curve\n    public-key = \"" + serverPublic + "\"\n", ""},
		{"curve\n    secret-key = \"" + serverSecret + "\"\n", "no public-key"},
		{"curve\n    public-key = \"#####" + serverPublic[5:] + "\"\n", "public key"},
	} {
		key, err := mechanism.LoadPublicKey(keyFile(t, "a.key", tt.text, 0o644))
		if tt.says == "" && (err != nil || key.String() != serverPublic) {
			t.Errorf("%q: %v, %v", tt.text, key, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%q: %v, %v; want an error with %q", tt.text, key, err, tt.says)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	if _, err := mechanism.LoadPublicKey(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := mechanism.LoadKeyPair(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := mechanism.LoadPublicKeys(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Certificates count whatever their names are: here those of SaveKeyPair, of CZMQ's zcert_save and zcert_save_public, and of a
// link. Each key counts once.
func TestDirectoryOfKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if keys, err := mechanism.LoadPublicKeys(dir); keys != nil || err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty directory: %v, %v; want an error that names it", keys, err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("README", "How to make a key")
	write(".gitignore", "*_secret\n")
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	if keys, err := mechanism.LoadPublicKeys(dir); keys != nil || err == nil {
		t.Errorf("directory without certificates: %v, %v; want an error", keys, err)
	}

	var want []mechanism.PublicKey
	next := func() mechanism.KeyPair {
		keys := newPair(t)
		want = append(want, keys.Public())
		return keys
	}
	if err := mechanism.SaveKeyPair(filepath.Join(dir, "a.key"), next()); err != nil {
		t.Fatal(err)
	}
	const czmq = "#   ****  Generated on 2026-01-02 03:04:05 by CZMQ  ****\n#   ZeroMQ CURVE %s\n\n" +
		"metadata\n    name = \"camera\"\ncurve\n    public-key = %q\n"
	keys := next()
	write("b", fmt.Sprintf(czmq, "Public Certificate", keys.Public()))
	write("b_secret", fmt.Sprintf(czmq+"    secret-key = %q\n", "**Secret** Certificate", keys.Public(), keys.Secret()))
	write("c.txt", fmt.Sprintf(czmq, "Public Certificate", next().Public()))
	write(filepath.Join("old", "linked"), fmt.Sprintf(czmq, "Public Certificate", next().Public()))
	if err := os.Symlink(filepath.Join("old", "linked"), filepath.Join(dir, "d")); err != nil {
		t.Skip("no links here:", err)
	}
	if keys, err := mechanism.LoadPublicKeys(dir); err != nil || !slices.Equal(keys, want) {
		t.Errorf("%v, %v; want %v", keys, err, want)
	}
}

// One certificate that cannot be used is an error, instead of a peer that is kept out for no visible reason.
func TestDirectoryWithBadCertificate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, says string }{
		{"x.key", "no key", "no public-key"},
		{"x_secret", "no key", "no public-key"},
		{"x", "metadata\ncurve\n", "line 2: "},
		{"x", "curve\n    public-key = \"short\"\n", "line 2: "},
		{"x", "curve\n    public-key = \"#####" + serverPublic[5:] + "\"\n", "line 2: "},
		{"x", "curve\n    public-key = \"" + serverPublic + "\"\n    public-key = \"" + clientPublic + "\"\n", "line 3: "},
		{"x", "curve\n    public-key = \"" + serverPublic + "\"\n#" + strings.Repeat("x", 65<<10), "no certificate has"},
		{"x.key", strings.Repeat("x", 65<<10), "no certificate has"},
		{"x", "\xff\xfec\x00u\x00r\x00v\x00e\x00\n\x00", "UTF-8"},
		{"x.key", "", ""}, // a link to nowhere
		{"x.key_secret", "", ""},
	} {
		dir := t.TempDir()
		if err := mechanism.SaveKeyPair(filepath.Join(dir, "good.key"), newPair(t)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, tt.name)
		var err error
		if tt.text == "" {
			err = os.Symlink("nowhere", path)
		} else {
			err = os.WriteFile(path, []byte(tt.text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		keys, err := mechanism.LoadPublicKeys(dir)
		if err == nil || keys != nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, %.40q: %v, %v; want an error with the path and %q", tt.name, tt.text, keys, err, tt.says)
		}
	}
}

// Files that are no certificates do not keep the others from being loaded, whether they can be read or not. The error of a
// directory without certificates tells of them.
func TestDirectoryWithOtherFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name string) {
		t.Helper()
		if err := os.Symlink("nowhere", filepath.Join(dir, name)); err != nil {
			t.Skip("no links here:", err)
		}
	}
	write("large", strings.Repeat("x", 65<<10))
	write("UTF-16.txt", "\xff\xfeh\x00i\x00")
	write("binary", "\x00\xff\n\x00=")
	write(".hidden.key", "curve\n    public-key = \""+serverPublic+"\"\n")
	link("link")
	link(".#x.key") // as an editor makes it
	keys, err := mechanism.LoadPublicKeys(dir)
	if keys != nil || err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "UTF-16.txt")) {
		t.Errorf("%v, %v; want an error that names a file", keys, err)
	}
	pair := newPair(t)
	if err := mechanism.SaveKeyPair(filepath.Join(dir, "x.key"), pair); err != nil {
		t.Fatal(err)
	}
	want := []mechanism.PublicKey{pair.Public()}
	if keys, err := mechanism.LoadPublicKeys(dir); err != nil || !slices.Equal(keys, want) {
		t.Errorf("%v, %v; want %v", keys, err, want)
	}

	// A secret that cannot be read does not matter beside its public file.
	if err := os.Remove(filepath.Join(dir, "x.key_secret")); err != nil {
		t.Fatal(err)
	}
	link("x.key_secret")
	if keys, err := mechanism.LoadPublicKeys(dir); err != nil || !slices.Equal(keys, want) {
		t.Errorf("with a secret that cannot be read: %v, %v; want %v", keys, err, want)
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("metadata\ncurve\n    public-key = \"" + clientPublic + "\"\n    secret-key = \"" + clientSecret + "\"\n"))
	f.Add([]byte("curve\nsecret-key=\n=\n'"))
	path := filepath.Join(f.TempDir(), "a.key")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := mechanism.LoadKeyPair(path)
		if keys.IsZero() == (err == nil) {
			t.Fatalf("%v, %v", keys, err)
		}
		if key, err := mechanism.LoadPublicKey(path); err == nil && !strings.Contains(string(text), key.String()) {
			t.Fatalf("%q has the key %v", text, key)
		}
	})
}
