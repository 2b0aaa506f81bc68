package main

import "testing"

// answered is an answer of two subjects, three rounds each.
func answered(weir, nginx []float64) *answer {
	a := &answer{Samples: map[string][]sample{}, subjects: []string{"weir", "nginx"}}
	for i := range weir {
		a.Samples["weir"] = append(a.Samples["weir"], sample{"cpu": weir[i]})
		a.Samples["nginx"] = append(a.Samples["nginx"], sample{"cpu": nginx[i]})
	}
	return a
}

func TestRatioIsTakenWithinARoundThenTheMedian(t *testing.T) {
	// In the second round the machine was slow for both: the medians of the values alone would say 10/30.
	a := answered([]float64{10, 90, 9}, []float64{20, 100, 30})
	v := a.judge(target{Figure: "cpu", Peer: "nginx", Bound: 0.5})
	if v.Value != 0.5 || v.Lowest != 0.3 || v.Most != 0.9 || !v.Passed {
		t.Errorf("got %+v", v)
	}
}

func TestTargetDecides(t *testing.T) {
	a := answered([]float64{10}, []float64{20})
	for _, test := range []struct {
		target target
		passed bool
	}{
		{target{Figure: "cpu", Peer: "nginx", Bound: 0.5}, true},
		{target{Figure: "cpu", Peer: "nginx", Bound: 0.49}, false},
		{target{Figure: "cpu", Peer: "nginx", Bound: 0.5, AtLeast: true}, true},
		{target{Figure: "cpu", Peer: "nginx", Bound: 0.51, AtLeast: true}, false},
		{target{Figure: "cpu", Bound: 10}, true},
		{target{Figure: "cpu", Bound: 9}, false},
	} {
		if got := a.judge(test.target).Passed; got != test.passed {
			t.Errorf("%+v: passed %v, want %v", test.target, got, test.passed)
		}
	}
}

func TestQuantileAndMedian(t *testing.T) {
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("median %v", m)
	}
	if q := quantile([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9); q != 10 {
		t.Errorf("quantile %v", q)
	}
}
