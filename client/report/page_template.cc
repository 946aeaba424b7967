#include "client/report/page_template.h"

#include <string>

namespace eplb {
namespace {

// Two raw strings: compilers limit the length of one.
constexpr std::string_view kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Expert placement report</title>
<style>
:root{--bg:#f7f8fa;--card:#fff;--ink:#1b2330;--soft:#667085;--line:#e3e7ee;--accent:#0f766e;--hot:#c2410c;--grey:#98a2b3}
@media (prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#171e28;--ink:#e6eaf0;--soft:#93a0b4;--line:#273140;--accent:#2dd4bf;--hot:#fb923c;--grey:#64748b}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Liberation Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 20px 60px}h1{font-size:25px;margin:0 0 2px}h2{font-size:16px;margin:0 0 2px}
p{margin:0 0 10px;color:var(--soft)}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px;margin:20px 0}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.card b{display:block;font-size:26px;line-height:1.2;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:13px}
.card i{font-style:normal;color:var(--accent);font-size:13px}section{margin:0 0 14px}.two{display:grid;grid-template-columns:1fr 1fr;gap:18px}
@media (max-width:820px){.two{grid-template-columns:1fr}}canvas{width:100%;image-rendering:pixelated;border-radius:4px;display:block}
.axis{display:flex;justify-content:space-between;color:var(--soft);font-size:12px;margin-top:3px}svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font-size:12px}.legend{display:flex;align-items:center;gap:8px;font-size:12px;color:var(--soft);margin-top:8px}
.legend div{height:10px;width:220px;border-radius:5px}#tip{position:fixed;pointer-events:none;background:var(--ink);color:var(--bg);padding:4px 8px;border-radius:6px;font-size:12px;display:none;white-space:pre}
</style></head><body><main>
<h1 id="title"></h1><p id="subtitle"></p><div class="cards" id="cards"></div>
<section><h2>GPU load, layer by layer</h2><p>Each row is a layer, each column a GPU; colour is the GPU's load over the layer's mean. Every layer waits for its hottest GPU.</p>
<div class="two"><div><b>before</b><canvas id="before"></canvas><div class="axis"><span>GPU 0</span><span class="last"></span></div></div>
<div><b>after</b><canvas id="after"></canvas><div class="axis"><span>GPU 0</span><span class="last"></span></div></div></div>
<div class="legend"><span id="low"></span><div id="ramp"></div><span id="high"></span></div></section>
<section id="replay"><h2>Step time over the replay</h2><p>One point per sub-window, scored with the placement then in force. 1 is perfect balance. Lower is better.</p><svg id="curves"></svg></section>
<div class="two"><section><h2>Replicas follow load</h2><p>Each dot is an expert of a layer: its share of the layer's tokens and how many replicas it has now.</p><svg id="dots"></svg></section>
<section><h2>Weights on the move</h2><p id="movetext"></p><svg id="moves"></svg></section></div>
</main><div id="tip"></div>
<script>const D=/*DATA*/;
)html";

constexpr std::string_view kScript = R"html(
const $=id=>document.getElementById(id),css=n=>getComputedStyle(document.documentElement).getPropertyValue(n).trim();
const NS='http://www.w3.org/2000/svg';
function el(parent,name,attributes,text){const e=document.createElementNS(NS,name);for(const k in attributes)e.setAttribute(k,attributes[k]);if(text!==undefined)e.textContent=text;parent.appendChild(e);return e}
const f=(x,d)=>x.toFixed(d);
$('title').textContent=D.title;document.title=D.title;$('subtitle').textContent=D.subtitle;
function card(value,label,note){const c=document.createElement('div');c.className='card';const b=document.createElement('b');b.textContent=value;const s=document.createElement('span');s.textContent=label;c.append(b,s);if(note){const i=document.createElement('i');i.textContent=' '+note;c.append(i)}$('cards').append(c)}
card(f(D.balancedness[1],4),'balancedness','was '+f(D.balancedness[0],3));
card(f(D.step_time[1],3),'step time','was '+f(D.step_time[0],3));
card(f(100*(D.step_time[1]/D.step_time[2]-1),2)+' %','above the proven bound','bound '+f(D.step_time[2],3));
card(f(D.balancedness[2],4),'worst layer');
card(String(D.fetches),'experts fetched',f(100*D.fetches/(D.slots*D.layers.length),1)+' % of slots');
card(f(D.compute_ms,1)+' ms','to plan '+D.layers.length+' layers',D.twins+' twins');
// Heat: below the mean towards blue, above towards red; the ramp ends where the hottest GPU before is.
const top1=Math.max(1.05,...D.before.concat(D.after).reduce((a,x)=>{if(x>a[0])a[0]=x;return a},[0]));
function colour(x){const t=x<1?-(1-x):Math.min(1,(x-1)/(top1-1));const mix=(a,b,u)=>a.map((v,i)=>Math.round(v+(b[i]-v)*u));
 const c=t<0?mix([250,246,226],[58,110,165],Math.min(1,-t)):t<.5?mix([250,246,226],[244,140,66],t*2):mix([244,140,66],[150,18,36],t*2-1);return c}
function heat(id,values){const canvas=$(id),w=D.gpus,h=D.layers.length;canvas.width=w;canvas.height=h;canvas.style.height=Math.max(220,Math.min(420,h*6))+'px';
 const g=canvas.getContext('2d'),image=g.createImageData(w,h);values.forEach((x,i)=>{const c=colour(x);image.data.set([c[0],c[1],c[2],255],i*4)});g.putImageData(image,0,0);
 canvas.onmousemove=e=>{const r=canvas.getBoundingClientRect(),gpu=Math.floor((e.clientX-r.left)/r.width*w),row=Math.floor((e.clientY-r.top)/r.height*h);if(gpu<0||row<0||gpu>=w||row>=h)return;
 tip(e,'layer '+D.layers[row]+', GPU '+gpu+' (node '+D.node_of_gpu[gpu]+')\n'+f(values[row*w+gpu],3)+' x mean')};canvas.onmouseleave=()=>$('tip').style.display='none'}
function tip(e,text){const t=$('tip');t.textContent=text;t.style.display='block';t.style.left=Math.min(e.clientX+12,innerWidth-190)+'px';t.style.top=e.clientY+12+'px'}
heat('before',D.before);heat('after',D.after);document.querySelectorAll('.last').forEach(e=>e.textContent='GPU '+(D.gpus-1));
$('low').textContent='idle';$('high').textContent=f(top1,1)+' x mean';
$('ramp').style.background='linear-gradient(90deg,'+Array.from({length:13},(_,i)=>{const u=i/12;return 'rgb('+colour(u<.35?u/.35:1+(u-.35)/.65*(top1-1)).join(',')+')'}).join(',')+')';
function ticks(low,high,count){const raw=(high-low)/count,p=Math.pow(10,Math.floor(Math.log10(raw)));const step=[1,2,5,10].map(m=>m*p).find(s=>s>=raw);const out=[];for(let v=Math.ceil(low/step)*step;v<=high+1e-9;v+=step)out.push(+v.toFixed(6));return out}
function frame(svg,W,H,M,xs,ys,xf,yf,xl,yl){svg.setAttribute('viewBox','0 0 '+W+' '+H);
 ys.forEach(v=>{el(svg,'line',{x1:M.l,x2:W-M.r,y1:yf(v),y2:yf(v),stroke:css('--line')});el(svg,'text',{x:M.l-6,y:yf(v)+4,'text-anchor':'end'},String(v))});
 xs.forEach(v=>el(svg,'text',{x:xf(v),y:H-M.b+16,'text-anchor':'middle'},String(v)));
 el(svg,'text',{x:(M.l+W-M.r)/2,y:H-4,'text-anchor':'middle'},xl);el(svg,'text',{x:M.l,y:12},yl)}
if(!D.replays.length)$('replay').remove();else{const W=1120,H=330,M={l:46,r:250,t:24,b:36},svg=$('curves');
 const n=Math.max(...D.replays.map(r=>r.step_times.length)),high=Math.max(...D.replays.flatMap(r=>r.step_times)),low=1;
 const xf=i=>M.l+(W-M.l-M.r)*(n>1?i/(n-1):0),yf=v=>H-M.b-(H-M.t-M.b)*(v-low)/(high-low||1);
 frame(svg,W,H,M,ticks(0,n-1,8),ticks(low,high,5),xf,yf,'sub-window','step time');
 const shades=['#8b95a7','#b08968','#7c7fb8','#a36a8f','#6b9080'];let shade=0;
 const ends=D.replays.map((r,k)=>({k,y:yf(r.step_times[r.step_times.length-1])})).sort((a,b)=>a.y-b.y);for(let i=1;i<ends.length;i++)if(ends[i].y<ends[i-1].y+30)ends[i].y=ends[i-1].y+30;
 const spill=ends[ends.length-1].y-(H-M.b-4);if(spill>0)ends.forEach(e=>e.y-=spill);
 D.replays.forEach((r,k)=>{const c=r.ours?css('--accent'):shades[shade++%shades.length];
  el(svg,'polyline',{points:r.step_times.map((v,i)=>xf(i)+','+yf(v)).join(' '),fill:'none',stroke:c,'stroke-width':r.ours?3:1.6});
  const y=ends.find(e=>e.k===k).y,mean=r.step_times.reduce((a,b)=>a+b,0)/r.step_times.length;
  const label=el(svg,'text',{x:W-M.r+10,y:y+1,style:'fill:'+c+';font-weight:'+(r.ours?700:500)},r.name);
  el(svg,'text',{x:W-M.r+10,y:y+15},'mean '+f(mean,3)+', '+f(r.fetch_percent,1)+' % fetched a window')})}
{const W=540,H=300,M={l:40,r:12,t:24,b:36},svg=$('dots'),most=Math.max(2,...D.replicas.reduce((a,x)=>{if(x>a[0])a[0]=x;return a},[0])),wide=D.share.reduce((a,x)=>Math.max(a,x),0)||1;
 const xf=v=>M.l+(W-M.l-M.r)*v/(wide*100),yf=v=>H-M.b-(H-M.t-M.b)*(v-.5)/(most);
 frame(svg,W,H,M,ticks(0,wide*100,6),Array.from({length:most},(_,i)=>i+1),xf,yf,'share of the layer\'s tokens, %','replicas');
 const seen=new Set();D.share.forEach((s,i)=>{const x=Math.round(xf(s*100)*2)/2,jitter=((i*2654435761>>>0)%1000/1000-.5)*.5*(H-M.t-M.b)/most,y=Math.round(yf(D.replicas[i])+jitter),key=x+':'+y;if(seen.has(key))return;seen.add(key);
  el(svg,'circle',{cx:x,cy:y,r:1.8,fill:D.replicas[i]>1?css('--accent'):css('--grey'),opacity:.55})})}
{const W=540,H=300,svg=$('moves'),N=D.nodes,total=D.node_fetches.reduce((a,b)=>a+b,0);svg.setAttribute('viewBox','0 0 '+W+' '+H);
 let local=0;for(let i=0;i<N;i++)local+=D.node_fetches[i*N+i];
 $('movetext').textContent=total?f(100*local/total,0)+' % of '+total+' copies stay within their node.':'No weights are copied: there was no placement in force, or it stays.';
 const cx=W/2,cy=H/2,R=N>1?104:0,pos=Array.from({length:N},(_,i)=>[cx+R*Math.sin(2*Math.PI*i/N),cy-R*Math.cos(2*Math.PI*i/N)]),peak=Math.max(1,...D.node_fetches);
 const shown=N<=32?N:0,dot=N<=8?22:N<=16?14:8;const defs=el(svg,'defs',{}),m=el(defs,'marker',{id:'tipmark',viewBox:'0 0 8 8',refX:7,refY:4,markerWidth:7,markerHeight:7,markerUnits:'userSpaceOnUse',orient:'auto'});el(m,'path',{d:'M0 0L8 4L0 8z',fill:css('--hot')});
 for(let i=0;i<N;i++)for(let j=0;j<N;j++){const v=D.node_fetches[i*N+j];if(!v||i===j)continue;const[a,b]=pos[i],[c,d]=pos[j],dx=c-a,dy=d-b,L=Math.hypot(dx,dy),k=14;
  const x1=a+dx/L*dot,y1=b+dy/L*dot,x2=c-dx/L*(dot+2),y2=d-dy/L*(dot+2),mx=(x1+x2)/2-dy/L*k,my=(y1+y2)/2+dx/L*k;
  el(svg,'path',{d:'M'+x1+' '+y1+'Q'+mx+' '+my+' '+x2+' '+y2,fill:'none',stroke:css('--hot'),'stroke-width':.6+4*v/peak,opacity:.65,'marker-end':'url(#tipmark)'}).appendChild(document.createElementNS(NS,'title')).textContent='node '+i+' to node '+j+': '+v+' experts'}
 pos.forEach(([x,y],i)=>{el(svg,'circle',{cx:x,cy:y,r:dot,fill:css('--card'),stroke:css('--accent'),'stroke-width':2});if(dot>=14)el(svg,'text',{x,y:y+4,'text-anchor':'middle'},String(D.node_fetches[i*N+i]||0))
  if(N<=16){const u=N>1?(x-cx)/R:0,v=N>1?(y-cy)/R:1;el(svg,'text',{x:x+u*(dot+8),y:y+v*(dot+12)+4,'text-anchor':u>.3?'start':u<-.3?'end':'middle'},'node '+i)}})}
document.documentElement.dataset.rendered='yes';
</script></body></html>
)html";

}  // namespace

std::string_view PageTemplate() {
  static const std::string joined = std::string(kHead) + std::string(kScript);
  return joined;
}

}  // namespace eplb
