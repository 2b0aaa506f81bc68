package main

import (
	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/explain"
)

// explainOffline answers `weir explain` by the file alone: nothing need run.
func explainOffline(cfg *config.Config, q cli.Question) (cli.Explanation, config.Problems, error) {
	w, problems := explain.Offline(cfg)
	if w == nil {
		return nil, problems, nil
	}
	r := &explain.Request{Method: q.Method, URL: q.URL, Client: q.Client, To: q.To}
	for _, text := range q.Fields {
		f, err := explain.ParseField(text)
		if err != nil {
			return nil, nil, err
		}
		r.Fields = append(r.Fields, f)
	}
	answer, err := w.Explain(r)
	return answer, nil, err
}
