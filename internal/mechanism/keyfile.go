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
	"slices"
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
// public key, to be given to others, and path with "_secret" behind it, with both keys.
// The mode of that file is 0600: only its owner may read it. Windows has no modes: there
// it gets the permissions that its directory hands down. By custom path ends in ".key".
// A file that exists is never overwritten; the error then is [fs.ErrExist].
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

// LoadKeyPair reads a secret key file, of [SaveKeyPair], of CZMQ or of Python's zmq.auth
// (whose names end in ".key_secret"). It refuses a file that others than its owner may
// read or write, and keys that do not belong together. On Windows it does not look at
// the permissions.
func LoadKeyPair(path string) (KeyPair, error) {
	c, err := readCertificate(path, true)
	if err != nil {
		return KeyPair{}, err
	}
	if c.secret.text == "" {
		return KeyPair{}, fmt.Errorf("key file %s: has no secret-key: give the secret file, %s%s by custom",
			path, path, secretSuffix)
	}
	pair, err := ParseSecretKey(c.secret.text)
	if err != nil {
		return KeyPair{}, fmt.Errorf("key file %s: line %d: %w", path, c.secret.line, err)
	}
	if c.public.text != "" && c.public.text != pair.Public().String() {
		return KeyPair{}, fmt.Errorf("key file %s: line %d: public-key and secret-key are not of one pair", path, c.public.line)
	}
	return pair, nil
}

// LoadPublicKey reads the public key in a key file.
func LoadPublicKey(path string) (PublicKey, error) {
	c, err := readCertificate(path, false)
	if err != nil {
		return PublicKey{}, err
	}
	return c.publicKey(path)
}

// LoadPublicKeys reads the public keys of all certificates in a directory, in the order of
// their names and each once: what a [KeySet] of allowed clients is filled with.
//
//   - Names that begin with ".", directories, and other files that are not regular are ignored.
//   - A file is a certificate if its name ends in ".key" or "_secret", or if it has a section
//     "curve" in its first 64 KiB. All other files are ignored, also if they cannot be read.
//   - A certificate that cannot be read, is larger than 64 KiB, or has no valid public key is an
//     error that names it. There is one exception: a secret file that cannot be read is ignored if
//     the public file beside it has the key. Only its owner should be able to read it.
//
// If the directory has no certificate, that is an error; it names one of the ignored files that
// are too large or cannot be read.
func LoadPublicKeys(dir string) ([]PublicKey, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read key files: %w", err)
	}
	var keys []PublicKey
	var ignored error
	loaded := map[string]bool{} // names
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		if strings.HasPrefix(name, ".") {
			continue
		}
		// A link is followed. If that fails, so does reading.
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue
		}
		c, err := readCertificate(path, false)
		public, secret := strings.CutSuffix(name, secretSuffix)
		var unreadable *fs.PathError
		switch {
		case secret && loaded[public] && errors.As(err, &unreadable): // public comes before in the order of the names
			continue
		case !secret && filepath.Ext(name) != ".key" && c.section == 0:
			if ignored == nil {
				ignored = err
			}
			continue
		case err != nil:
			return nil, err
		}
		key, err := c.publicKey(path)
		if err != nil {
			return nil, err
		}
		loaded[name] = true
		if !slices.Contains(keys, key) { // a pair's public file and its secret one have the same
			keys = append(keys, key)
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case ignored != nil:
		return nil, fmt.Errorf("read key files: %s holds no certificate; ignored: %w", dir, ignored)
	}
	return nil, fmt.Errorf("read key files: %s holds no certificate", dir)
}

// certificate is what a key file says.
type certificate struct {
	section        int // the line at which the section "curve" begins; 0 if there is none
	public, secret value
}

// value is a key in Z85 and the line that gives it; empty if the file does not.
type value struct {
	text string
	line int
}

// publicKey returns the public key of the certificate that was read from path.
func (c certificate) publicKey(path string) (PublicKey, error) {
	switch {
	case c.section == 0:
		return PublicKey{}, fmt.Errorf("key file %s: has no public-key, nor a section curve for it", path)
	case c.public.text == "":
		return PublicKey{}, fmt.Errorf("key file %s: line %d: section curve has no public-key", path, c.section)
	}
	key, err := ParsePublicKey(c.public.text)
	if err != nil {
		return PublicKey{}, fmt.Errorf("key file %s: line %d: %w", path, c.public.line, err)
	}
	return key, nil
}

// readCertificate reads a key file. If it is private, only its owner may have access to it. If the
// file has a section "curve", the certificate tells that also with an error.
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
	c, err = parseCertificate(text)
	if len(text) > maxKeyFile {
		return c, fmt.Errorf("key file %s: has more than %d bytes, which no certificate has", path, maxKeyFile)
	}
	if err != nil {
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

// parseCertificate finds the keys in the section "curve". A byte order mark before the
// text is skipped. The line of the section is returned also with an error.
func parseCertificate(text []byte) (c certificate, err error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		if bytes.Contains(text, []byte("c\x00u\x00r\x00v\x00e")) {
			c.section = 1
		}
		return c, errors.New("line 1: is UTF-16: save it as UTF-8")
	}
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	lines.Buffer(nil, maxKeyFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		name, text, isValue := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
			continue
		case !isValue:
			if section = line; section == "curve" {
				c.section = n
			}
			continue
		case section != "curve":
			continue
		}
		var field *value
		switch strings.TrimSpace(name) {
		case "public-key":
			field = &c.public
		case "secret-key":
			field = &c.secret
		default:
			continue
		}
		if field.text != "" {
			return c, fmt.Errorf("line %d: gives a key for the second time", n)
		}
		if *field = (value{unquote(strings.TrimSpace(text)), n}); field.text == "" {
			return c, fmt.Errorf("line %d: gives an empty key", n)
		}
	}
	return c, lines.Err()
}

// unquote takes away the quotes around a value. Keys have none within.
func unquote(value string) string {
	return strings.Trim(value, `"'`)
}
