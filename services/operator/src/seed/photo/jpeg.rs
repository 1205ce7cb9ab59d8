//! A baseline JPEG encoder (ITU-T T.81) for small pictures: three components without subsampling, the tables of annex K.

use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::sync::LazyLock;

/// K.1, in zigzag order, halved: quality 75 in the usual scale.
const QUANTISATION: [u8; 64] = [
    8, 6, 6, 7, 6, 5, 8, 7, 7, 7, 9, 9, 8, 10, 12, 20, 13, 12, 11, 11, 12, 25, 18, 19, 15, 20, 29, 26, 31,
    30, 29, 26, 28, 28, 32, 36, 46, 39, 32, 34, 44, 35, 28, 28, 40, 55, 41, 44, 48, 49, 52, 52, 52, 31, 39,
    57, 61, 56, 50, 60, 46, 51, 52, 50,
];

/// Position in a block of each coefficient in zigzag order.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A Huffman table: how many codes have each length from 1 to 16 bits, and their symbols in the order of the codes.
struct Huffman {
    counts: [u8; 16],
    symbols: &'static [u8],
}

/// K.3: differences of DC coefficients.
const DC: Huffman = Huffman {
    counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// K.5: AC coefficients.
const AC: Huffman = Huffman {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    symbols: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22,
        0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33,
        0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34,
        0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55,
        0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76,
        0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5,
        0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4,
        0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1,
        0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// A.3.3: the cosine transform of one row or column, as a matrix.
static COSINES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|u| {
        let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
        std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos())
    })
});

/// Encodes a picture of up to 65,535 pixels each way, both multiples of 8; `pixel(x, y)` gives red, green and blue.
pub(super) fn encode(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    segment(&mut file, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    segment(&mut file, 0xdb, &[&[0], QUANTISATION.as_slice()].concat());
    let [[w1, w2], [h1, h2]] = [width, height].map(|side| (side as u16).to_be_bytes());
    segment(&mut file, 0xc0, &[8, h1, h2, w1, w2, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for (class, table) in [(0x00, &DC), (0x10, &AC)] {
        segment(&mut file, 0xc4, &[&[class], table.counts.as_slice(), table.symbols].concat());
    }
    segment(&mut file, 0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);

    let mut bits = Bits { file, pending: 0, count: 0 };
    let (dc, ac) = (DC.codes(), AC.codes());
    let mut last_dc = [0; 3];
    for block_y in (0..height).step_by(8) {
        for block_x in (0..width).step_by(8) {
            let colours: [[f32; 3]; 64] =
                std::array::from_fn(|i| ycbcr(pixel(block_x + i % 8, block_y + i / 8)));
            for (component, last) in last_dc.iter_mut().enumerate() {
                let block = transform(std::array::from_fn(|i| colours[i][component]));
                bits.block(&block, last, &dc, &ac);
            }
        }
    }
    bits.finish()
}

fn segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    file.extend([0xff, marker]);
    file.extend((content.len() as u16 + 2).to_be_bytes());
    file.extend(content);
}

/// JFIF's colours, with their middle at zero.
fn ycbcr(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(f32::from);
    [
        0.299 * r + 0.587 * g + 0.114 * b - 128.0,
        -0.1687 * r - 0.3313 * g + 0.5 * b,
        0.5 * r - 0.4187 * g - 0.0813 * b,
    ]
}

/// The quantised coefficients of a block, in zigzag order.
fn transform(samples: [f32; 64]) -> [i32; 64] {
    let pass = |input: &[f32; 64]| -> [f32; 64] {
        // Transposes on the way, so that two passes do rows and then columns.
        std::array::from_fn(|i| (0..8).map(|x| COSINES[i / 8][x] * input[(i % 8) * 8 + x]).sum())
    };
    let coefficients = pass(&pass(&samples));
    std::array::from_fn(|i| (coefficients[ZIGZAG[i]] / f32::from(QUANTISATION[i])).round() as i32)
}

impl Huffman {
    /// Code and its length by symbol (C.2).
    fn codes(&self) -> [(u16, u8); 256] {
        let (mut codes, mut code, mut symbols) = ([(0, 0); 256], 0, self.symbols.iter());
        for (length, &count) in (1..).zip(&self.counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                codes[usize::from(symbol)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        codes
    }
}

/// The entropy-coded part of a file.
struct Bits {
    file: Vec<u8>,
    pending: u32,
    count: u8,
}

impl Bits {
    fn put(&mut self, (bits, length): (u16, u8)) {
        self.pending = self.pending << length | u32::from(bits);
        self.count += length;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.pending >> self.count) as u8;
            self.file.push(byte);
            if byte == 0xff {
                self.file.push(0);
            }
        }
        self.pending &= (1 << self.count) - 1;
    }

    /// A coefficient: the code of (zeros before it, its size), then its bits (F.1.2).
    fn coefficient(&mut self, value: i32, zeros: u8, codes: &[(u16, u8); 256]) {
        let size = (u32::BITS - value.unsigned_abs().leading_zeros()) as u8;
        self.put(codes[usize::from(zeros << 4 | size)]);
        let bits = if value < 0 { value - 1 } else { value };
        self.put((bits as u16 & ((1 << size) - 1), size));
    }

    fn block(&mut self, block: &[i32; 64], last_dc: &mut i32, dc: &[(u16, u8); 256], ac: &[(u16, u8); 256]) {
        self.coefficient(block[0] - *last_dc, 0, dc);
        *last_dc = block[0];
        let mut zeros = 0;
        for &value in &block[1..] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.put(ac[0xf0]);
                zeros -= 16;
            }
            self.coefficient(value, zeros, ac);
            zeros = 0;
        }
        if zeros > 0 {
            self.put(ac[0]);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        // The last byte is filled up with ones (F.1.2.3).
        self.put((0x7f, 7));
        self.file.extend([0xff, 0xd9]);
        self.file
    }
}
