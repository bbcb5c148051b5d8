package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRecorder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "heap.csv")
		svc, err := newRecorder(service.Config{Name: "recorder", Logger: slog.New(slog.DiscardHandler)}, path, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		servicetest.Start(t, svc)
		time.Sleep(100*time.Second + time.Millisecond)
		if receipt := servicetest.Stop(t, svc); receipt.TasksFinished != 2 {
			t.Errorf("receipt: %v", receipt)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\n"); n != 100 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestRecorderWithoutItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "no such folder", "heap.csv")
	svc, err := newRecorder(service.Config{Name: "recorder", Logger: slog.New(slog.DiscardHandler)}, path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Start(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	servicetest.AssertClean(t, svc)
}
