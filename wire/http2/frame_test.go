package http2

import (
	"bytes"
	"testing"
)

func TestFramesAreHeldToTheirRules(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want Code
		soft bool
	}{
		{Header{0, FrameData, 0, 1}, NoError, false},
		{Header{0, FrameData, 0, 0}, ProtocolError, false},
		{Header{1, FrameHeaders, 0, 0}, ProtocolError, false},
		{Header{4, FramePriority, 0, 1}, FrameSizeError, true},
		{Header{5, FramePriority, 0, 0}, ProtocolError, false},
		{Header{3, FrameRSTStream, 0, 1}, FrameSizeError, false},
		{Header{4, FrameRSTStream, 0, 0}, ProtocolError, false},
		{Header{6, FrameSettings, 0, 1}, ProtocolError, false},
		{Header{5, FrameSettings, 0, 0}, FrameSizeError, false},
		{Header{6, FrameSettings, FlagAck, 0}, FrameSizeError, false},
		{Header{7, FramePing, 0, 0}, FrameSizeError, false},
		{Header{8, FramePing, 0, 1}, ProtocolError, false},
		{Header{7, FrameGoAway, 0, 0}, FrameSizeError, false},
		{Header{8, FrameGoAway, 0, 1}, ProtocolError, false},
		{Header{3, FrameWindowUpdate, 0, 0}, FrameSizeError, false},
		{Header{4, FrameWindowUpdate, 0, 1}, NoError, false},
		{Header{0, FrameContinuation, 0, 0}, ProtocolError, false},
		{Header{3, FramePriorityUpdate, 0, 0}, FrameSizeError, false},
		{Header{100, 0x42, 0, 0}, NoError, false},
	} {
		err, soft := CheckHeader(c.h)
		got := NoError
		if err != nil {
			got = err.Code
		}
		if got != c.want || soft != c.soft {
			t.Errorf("%+v: %v soft %v, want %v soft %v", c.h, got, soft, c.want, c.soft)
		}
	}
}

func TestPaddingIsTakenOff(t *testing.T) {
	for _, c := range []struct {
		h    Header
		in   string
		want string
		code Code
	}{
		{Header{Type: FrameHeaders}, "abc", "abc", NoError},
		{Header{Type: FrameHeaders, Flags: FlagPadded}, "\x02abcxx", "abc", NoError},
		{Header{Type: FrameHeaders, Flags: FlagPadded}, "\x03abc", "", NoError},
		{Header{Type: FrameHeaders, Flags: FlagPadded}, "\x04abc", "", ProtocolError},
		{Header{Type: FrameHeaders, Flags: FlagPadded}, "", "", FrameSizeError},
		{Header{Type: FrameHeaders, Flags: FlagPadded | FlagPriority}, "\x01\x00\x00\x00\x01\x10abx", "ab", NoError},
		{Header{Type: FrameHeaders, Flags: FlagPriority}, "\x00\x00", "", FrameSizeError},
	} {
		got, err := Unpad(c.h, []byte(c.in))
		code := NoError
		if err != nil {
			code = err.Code
		}
		if string(got) != c.want || code != c.code {
			t.Errorf("%+v %q: %q %v", c.h, c.in, got, code)
		}
	}
}

func TestPaddingIsKnownFromTheBeginningOfAFrame(t *testing.T) {
	for _, c := range []struct {
		h    Header
		in   string
		want int
		code Code
	}{
		{Header{Type: FrameData, Length: 3}, "abc", 0, NoError},
		{Header{Type: FrameData, Length: 6, Flags: FlagPadded}, "\x02", 2, NoError},
		{Header{Type: FrameData, Length: 4, Flags: FlagPadded}, "\x03ab", 3, NoError},
		{Header{Type: FrameData, Length: 4, Flags: FlagPadded}, "\x04abc", 0, ProtocolError},
		{Header{Type: FrameData, Flags: FlagPadded}, "", 0, FrameSizeError},
	} {
		got, err := Padding(c.h, []byte(c.in))
		code := NoError
		if err != nil {
			code = err.Code
		}
		if got != c.want || code != c.code {
			t.Errorf("%+v %q: %d %v", c.h, c.in, got, code)
		}
	}
}

func TestHeadersSurvive(t *testing.T) {
	h := Header{Length: 0x123456, Type: FrameGoAway, Flags: 7, Stream: 0x7abcdef1}
	if got := ParseHeader(AppendHeader(nil, h.Length, h.Type, h.Flags, h.Stream)); got != h {
		t.Errorf("%+v", got)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		s          Setting
		fromServer bool
		want       Code
	}{
		{Setting{SettingEnablePush, 2}, false, ProtocolError},
		{Setting{SettingEnablePush, 1}, true, ProtocolError},
		{Setting{SettingEnablePush, 1}, false, NoError},
		{Setting{SettingInitialWindowSize, 1 << 31}, false, FlowControlError},
		{Setting{SettingMaxFrameSize, 16383}, false, ProtocolError},
		{Setting{SettingMaxFrameSize, 1 << 24}, false, ProtocolError},
		{Setting{SettingEnableConnect, 2}, true, ProtocolError},
		{Setting{SettingNoRFC7540Priorities, 2}, false, ProtocolError},
		{Setting{0xffff, 7}, false, NoError},
	} {
		s := InitialSettings()
		got := NoError
		if err := s.Take(AppendSettings(nil, c.s)[HeaderLen:], c.fromServer); err != nil {
			got = err.Code
		}
		if got != c.want {
			t.Errorf("%+v: %v, want %v", c, got, c.want)
		}
	}
	s := InitialSettings()
	s.Take(AppendSettings(nil, Setting{SettingMaxConcurrentStreams, 7}, Setting{SettingInitialWindowSize, 9}, Setting{SettingEnableConnect, 1})[HeaderLen:], true)
	if s.MaxStreams != 7 || s.InitialWindow != 9 || !s.Connect {
		t.Errorf("%+v", s)
	}
}

func TestWindowsHaveBounds(t *testing.T) {
	w := NewWindow(10)
	if w.Take(11) || !w.Take(10) || w.Left() != 0 || w.Take(1) {
		t.Error("a window gives more than it has")
	}
	w.Add(-5)
	if w.Left() != 0 || !w.Add(6) || w.Left() != 1 {
		t.Error("a window that was made smaller is wrong")
	}
	if w.Add(MaxWindow) {
		t.Error("a window grows beyond its bound")
	}
}

func TestPrioritiesAreRead(t *testing.T) {
	for in, want := range map[string]Priority{
		"": {3, false}, "u=0": {0, false}, "u=7, i": {7, true}, "i": {3, true}, "i=?0": {3, false}, "i=?1,u=1": {1, true}, "u=8": {3, false}, "u=-1": {3, false},
		"u=2;x=1": {3, false}, "x=1, u=5": {5, false},
	} {
		if got := ParsePriority([]byte(in)); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
}

func TestABudgetIsUsedUpAndComesBack(t *testing.T) {
	var b Budget
	n := 0
	for b.Spend(GlitchReset, 1000) {
		n++
	}
	if n != budgetFull/int(glitches[GlitchReset].cost) {
		t.Errorf("%d resets at once", n)
	}
	for range 10 {
		b.Earn()
	}
	if !b.Spend(GlitchReset, 1000) {
		t.Error("exchanges that end well give nothing back")
	}
	b = Budget{}
	for i := range int64(10_000) {
		if !b.Spend(GlitchReset, i*100) {
			t.Fatalf("ten resets in a second are too many, after %d", i)
		}
	}
}

func TestAHeadThatIsMuchLargerThanItWasSentCosts(t *testing.T) {
	var b Budget
	for range 1000 { // a browser's: large cookies from the table, in each request
		if !b.SpendExpansion(8<<10, 60, 1000) || !b.SpendExpansion(64<<10, 40<<10, 1000) {
			t.Fatal("heads that are as large as they were sent cost something")
		}
	}
	n := 0
	for b.SpendExpansion(60<<10, 40, 1000) {
		n++
	}
	if n != 1 {
		t.Errorf("%d bombs at once", n)
	}
	if b.Spend(GlitchPing, 1000) || b.Spend(GlitchPing, 2000) || !b.Spend(GlitchPing, 20_000) {
		t.Error("the budget does not come back with time")
	}
}

func FuzzEncodedHeads(f *testing.F) {
	f.Add("a", "b")
	f.Add("Content-Type", "x")
	f.Fuzz(func(t *testing.T, name, value string) {
		line := name + ": " + value + "\r\n"
		if bytes.ContainsAny([]byte(name), ":\r\n ") || name == "" || bytes.ContainsAny([]byte(value), "\r\n") {
			return
		}
		decoded(t, AppendFields(nil, []byte(line)))
	})
}
