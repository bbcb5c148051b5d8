package mechanism

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Key files are certificates as CZMQ and pyzmq write them, in ZPL (RFC 4): a section
// "curve" with the indented lines public-key = "..." and, in secret files, secret-key =
// "...". Other sections and keys are left alone.
const (
	secretSuffix = "_secret"
	publicMode   = 0o644
	secretMode   = 0o600
	othersMode   = 0o077
	maxKeyFile   = 64 << 10
)

// SaveKeyPair writes two key files that Python's zmq.auth reads as well: path, with the
// public key, to be given to others, and path with "_secret" behind it, with both keys,
// which nobody but the owner may read (mode 0600). By custom path ends in ".key". A
// file that exists is never overwritten; the error then is [fs.ErrExist].
func SaveKeyPair(path string, pair KeyPair) error {
	if pair.IsZero() {
		return fmt.Errorf("key file %s: the key pair is empty", path)
	}
	public := fmt.Sprintf("#   ZeroMQ CURVE public certificate: give it to those who may know this key\n\n"+
		"metadata\ncurve\n    public-key = %q\n", pair.Public())
	secret := fmt.Sprintf("#   ZeroMQ CURVE **secret** certificate: keep it to yourself, with the mode 0600\n\n"+
		"metadata\ncurve\n    public-key = %q\n    secret-key = %q\n", pair.Public(), pair.Secret())
	if err := writeNew(path+secretSuffix, secret, secretMode); err != nil {
		return err
	}
	if err := writeNew(path, public, publicMode); err != nil {
		return errors.Join(err, os.Remove(path+secretSuffix))
	}
	return nil
}

// writeNew writes a file that must not exist, whole or not at all.
func writeNew(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write key file: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// LoadKeyPair reads a secret key file, of [SaveKeyPair] or of Python's zmq.auth (whose
// names end in ".key_secret"). It refuses a file that others than its owner may read or
// write, except on Windows, and keys that do not belong together.
func LoadKeyPair(path string) (KeyPair, error) {
	c, err := readCertificate(path, true)
	if err != nil {
		return KeyPair{}, err
	}
	if c.secret == "" {
		return KeyPair{}, fmt.Errorf("key file %s: has no secret-key: give the secret file, %s%s by custom",
			path, path, secretSuffix)
	}
	pair, err := ParseSecretKey(c.secret)
	if err != nil {
		return KeyPair{}, fmt.Errorf("key file %s: %w", path, err)
	}
	if c.public != "" && c.public != pair.Public().String() {
		return KeyPair{}, fmt.Errorf("key file %s: public-key and secret-key are not of one pair", path)
	}
	return pair, nil
}

// LoadPublicKey reads the public key in a key file.
func LoadPublicKey(path string) (PublicKey, error) {
	c, err := readCertificate(path, false)
	if err != nil {
		return PublicKey{}, err
	}
	if c.public == "" {
		return PublicKey{}, fmt.Errorf("key file %s: has no public-key", path)
	}
	key, err := ParsePublicKey(c.public)
	if err != nil {
		return PublicKey{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

// LoadPublicKeys reads the public keys in all files of a directory whose names end in
// ".key", in the order of the names: what a [KeySet] of allowed clients is filled with.
// A directory without such files gives none. An error of one file is an error of all.
func LoadPublicKeys(dir string) ([]PublicKey, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read key files: %w", err)
	}
	var keys []PublicKey
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".key" {
			continue
		}
		key, err := LoadPublicKey(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// certificate is what a key file says, in Z85; empty what it does not.
type certificate struct{ public, secret string }

// readCertificate reads a key file, of which private ones must be their owner's alone.
func readCertificate(path string, private bool) (c certificate, err error) {
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	if private {
		if err := checkPrivate(f); err != nil {
			return c, fmt.Errorf("key file %s: %w", path, err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return c, fmt.Errorf("read key file: %w", err)
	}
	if len(text) > maxKeyFile {
		return c, fmt.Errorf("key file %s: has more than %d bytes, so it is something else", path, maxKeyFile)
	}
	if c, err = parseCertificate(text); err != nil {
		return c, fmt.Errorf("key file %s: %w", path, err)
	}
	return c, nil
}

// checkPrivate looks at the open file, so that nobody can exchange it in between.
func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&othersMode != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("others may use this secret (mode %#o): chmod 600 it, and think about new keys", mode)
	}
	return nil
}

// parseCertificate finds the keys in the section "curve".
func parseCertificate(text []byte) (c certificate, err error) {
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxKeyFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		name, value, isValue := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
			continue
		case !isValue:
			section = line
			continue
		case section != "curve":
			continue
		}
		var field *string
		switch strings.TrimSpace(name) {
		case "public-key":
			field = &c.public
		case "secret-key":
			field = &c.secret
		default:
			continue
		}
		if *field != "" {
			return certificate{}, fmt.Errorf("line %d gives a key for the second time", n)
		}
		if *field = unquote(strings.TrimSpace(value)); *field == "" {
			return certificate{}, fmt.Errorf("line %d gives an empty key", n)
		}
	}
	return c, lines.Err()
}

// unquote takes away the quotes around a value. Keys have none within.
func unquote(value string) string {
	return strings.Trim(value, `"'`)
}
