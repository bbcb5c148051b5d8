package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/experimance/experimance-go/bench/internal/peer"
)

// ProfileDir is the environment variable that names the folder where the Go peers write profiles of their processor time.
const ProfileDir = "EXPERIMANCE_BENCH_PROFILES"

// profile starts a profile of this process, where one is asked for, and returns what ends it.
func profile(engine string, role peer.Role) (stop func(), err error) {
	dir := os.Getenv(ProfileDir)
	if dir == "" {
		return func() {}, nil
	}
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.pprof", engine, role, os.Getpid())))
	if err != nil {
		return nil, fmt.Errorf("runner: profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("runner: profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that could not be written shows when it is read
	}, nil
}
