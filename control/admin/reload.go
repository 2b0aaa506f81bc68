package admin

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
)

// Reload has the daemon read its configuration again and follows with the admin addresses. Every reload of the process should go through
// here, whoever asks for it, so that the status knows of it.
func (s *Server) Reload() (config.Problems, error) {
	problems, _, err := s.reload()
	return problems, err
}

func (s *Server) reload() (problems config.Problems, changed []string, err error) {
	d := s.daemon.Load()
	if d == nil {
		return nil, nil, errors.New("weir is starting")
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	before := d.Config()
	problems, err = d.Reload()
	if err == nil {
		changed = changedKeys(before, d.Config())
		if e := s.Apply(d.Config()); e != nil {
			err = fmt.Errorf("%w; all else was changed", e)
		}
	} else {
		s.mu.Lock()
		s.discard(nil)
		s.mu.Unlock()
	}
	s.reloads.note(err)
	if s.config.Reload != nil {
		s.config.Reload(problems, err)
	}
	return problems, changed, err
}

func (h *history) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.text = time.Now(), ""
	if err != nil {
		h.text = err.Error()
	}
}

// postReload answers what came of it; ?color=true colours the rendered problems for a terminal.
func (s *Server) postReload(w http.ResponseWriter, r *http.Request) {
	problems, changed, err := s.reload()
	result := api.Reload{OK: err == nil, Problems: []api.Problem{}, Changed: append([]string{}, changed...)}
	status := http.StatusOK
	if err != nil {
		result.Error, status = err.Error(), http.StatusUnprocessableEntity
	}
	for _, p := range problems {
		result.Problems = append(result.Problems, api.Problem{File: p.Pos.File, Line: p.Pos.Line, Column: p.Pos.Col, Path: p.Path,
			Message: p.Message, Suggestion: p.Suggestion, Warning: p.Warning})
	}
	var rendered strings.Builder
	problems.Write(&rendered, r.URL.Query().Get("color") == "true")
	result.Rendered = rendered.String()
	answer(w, status, result)
}

// changedKeys names what differs: `pools.api changed`, `sites."a.example.com" added`, `logs changed`.
func changedKeys(before, after *config.Config) (list []string) {
	b, a := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range b.NumField() {
		f := b.Type().Field(i)
		if !f.IsExported() || f.Name == "Include" {
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case reflect.DeepEqual(b.Field(i).Interface(), a.Field(i).Interface()):
		case strings.Contains(options, "named"):
			list = append(list, changedNames(key, b.Field(i), a.Field(i))...)
		default:
			list = append(list, key+" changed")
		}
	}
	return list
}

// changedNames compares lists of named things, in the order of after and then of what is gone.
func changedNames(key string, before, after reflect.Value) (list []string) {
	was := map[string]any{}
	for i := range before.Len() {
		was[name(before.Index(i))] = before.Index(i).Interface()
	}
	for i := range after.Len() {
		n := name(after.Index(i))
		old, found := was[n]
		delete(was, n)
		if !found {
			list = append(list, key+"."+quoted(n)+" added")
		} else if !reflect.DeepEqual(old, after.Index(i).Interface()) {
			list = append(list, key+"."+quoted(n)+" changed")
		}
	}
	for i := range before.Len() {
		if n := name(before.Index(i)); was[n] != nil {
			list = append(list, key+"."+quoted(n)+" removed")
		}
	}
	return list
}

// name is the value of the field under which the object's name was received.
func name(v reflect.Value) string {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == "-,name" {
			return v.Field(i).String()
		}
	}
	panic("BUG: no name in " + v.Type().String())
}

// quoted is a name as paths of problems have it: in quotes where it is not a plain word.
func quoted(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if name == "" || strings.Trim(name, plain) != "" {
		return strconv.Quote(name)
	}
	return name
}
