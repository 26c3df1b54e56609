import CSwiftNN

/// One step: a sequence of length one, whose output and last state are the same numbers.
@_cdecl("snn_rnn_cell_forward") @implementation
public func snn_rnn_cell_forward(_ args: UnsafePointer<snn_rnn_cell_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "cell") == Int32(SNN_FLOAT32) {
            try cellForward(args.pointee, Float.self)
        } else {
            try cellForward(args.pointee, Double.self)
        }
    }
}

private func cellForward<T: Element>(_ a: snn_rnn_cell_forward_args, _: T.Type) throws(Failure) {
    let (name, shape) = try readCell(a, T.self)
    _ = try output(a.hn, T.dtype, shape)
    if a.cn != nil {
        guard a.mode == Int64(SNN_LSTM) else { throw Message(name).text(" has no cell state; cn has to be NULL").valueError }
        _ = try output(a.cn, T.dtype, shape)
    }
    let last = try Scratch<T>(shape.size)
    defer { last.release() }
    try withSequence(a) { (sequence) throws(Failure) in
        // The output and the last state are the same numbers. Without memory this is the shape query.
        var wider = a.hn.pointee.withLeadingOne()
        var hn = wider
        hn.data = wider.data == nil ? nil : UnsafeMutableRawPointer(last.base)
        var cn = a.cn.map { $0.pointee.withLeadingOne() } ?? snn_array()
        try withPointers(&wider, &hn, &cn) { (y, hn, cn) throws(Failure) in
            var sequence = sequence
            sequence.y = y
            sequence.hn = hn
            sequence.cn = a.cn == nil ? nil : cn
            sequence.reserve = a.reserve
            try rnnForward(sequence, T.self)
        }
    }
}

/// Checks what a sequence does not ask of a cell; its name and the shape of its state.
func readCell<T: Element>(_ a: snn_rnn_cell_forward_args, _: T.Type) throws(Failure) -> (StaticString, Shape) {
    let name: StaticString = a.mode == Int64(SNN_LSTM) ? "LSTMCell" : a.mode == Int64(SNN_GRU) ? "GRUCell" : "RNNCell"
    let x = try view(a.x, "input", name, T.self)
    guard x.count == 1 || x.count == 2 else {
        throw Message(name).text(": input has shape ").shape(x.shape).text("; expected 2 dimensions (N, input_size) or 1").shapeError
    }
    guard a.weights_count == 4, let weights = a.weights else {
        throw Message(name).text(": ").number(Int(a.weights_count)).text(" weights; expected 4").valueError
    }
    let hh = try view(weights + 1, "weight_hh", name, T.self)
    guard hh.count == 2 else { throw Message(name).text(": weight_hh has shape ").shape(hh.shape).shapeError }
    var shape = x.shape
    shape[x.count - 1] = hh.shape[1]
    try require(try optionalView(a.h, "hx", name, T.self), shape, "hx", name)
    try require(try optionalView(a.c, "cx", name, T.self), shape, "cx", name)
    return (name, shape)
}

/// Calls body with the cell's arguments, checked by readCell, as those of a sequence: a time axis (layer axis for states) of one in front,
/// the absent projection behind the weights.
func withSequence(_ a: snn_rnn_cell_forward_args, _ body: (snn_rnn_forward_args) throws(Failure) -> Void) throws(Failure) {
    var set = InlineArray<5, snn_array>(repeating: snn_array())
    for i in 0..<4 { set[i] = a.weights[i] }
    set[4].ndim = -1
    var input = a.x.pointee.withLeadingOne()
    var h = a.h.map { $0.pointee.withLeadingOne() } ?? snn_array()
    var c = a.c.map { $0.pointee.withLeadingOne() } ?? snn_array()
    try withUnsafeMutablePointer(to: &set) { (set) throws(Failure) in
        try withPointers(&input, &h, &c) { (input, h, c) throws(Failure) in
            var sequence = snn_rnn_forward_args()
            sequence.mode = a.mode
            sequence.x = UnsafePointer(input)
            sequence.h0 = a.h == nil ? nil : UnsafePointer(h)
            sequence.c0 = a.c == nil ? nil : UnsafePointer(c)
            sequence.weights = UnsafeRawPointer(set).assumingMemoryBound(to: snn_array.self)
            sequence.weights_count = 5
            sequence.layers = 1
            try body(sequence)
        }
    }
}

func withPointers(
    _ a: inout snn_array, _ b: inout snn_array, _ c: inout snn_array,
    _ body: (UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>) throws(Failure) -> Void
) throws(Failure) {
    try body(&a, &b, &c)
}

extension snn_array {
    /// The same array with a dimension of one in front.
    func withLeadingOne() -> snn_array {
        var wider = self
        var old = self
        wider.ndim = ndim + 1
        let fromShape = snn_shape(&old).unsafelyUnwrapped, fromStrides = snn_strides(&old).unsafelyUnwrapped
        let toShape = snn_shape_mutable(&wider).unsafelyUnwrapped, toStrides = snn_strides_mutable(&wider).unsafelyUnwrapped
        for i in 0..<Int(ndim) {
            toShape[i + 1] = fromShape[i]
            toStrides[i + 1] = fromStrides[i]
        }
        toShape[0] = 1
        toStrides[0] = 0
        return wider
    }
}
