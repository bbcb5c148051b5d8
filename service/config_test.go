package service_test

import (
	"errors"
	"testing"
	"time"

	"github.com/experimance/experimance-go/service"
)

func TestConfigErrorsNameTheField(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]service.Config{
		"Name":          {},
		"StopTimeout":   {Name: "x", StopTimeout: -time.Second},
		"StatsInterval": {Name: "x", StatsInterval: -time.Second},
	} {
		_, err := service.New(cfg)
		if e, ok := errors.AsType[*service.ConfigError](err); !ok || e.Field != field {
			t.Errorf("%s: error is %v", field, err)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	one, err := service.New(service.Config{Name: "twin"})
	must(t, err)
	two, err := service.New(service.Config{Name: "twin"})
	must(t, err)
	if one.Name() != "twin" || one.Type() != "service" || one.Logger() == nil {
		t.Errorf("name %q, type %q, logger %v", one.Name(), one.Type(), one.Logger())
	}
	if one.Instance() == "" || one.Instance() == two.Instance() {
		t.Errorf("instances %q and %q", one.Instance(), two.Instance())
	}
}
